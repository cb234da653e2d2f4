-- Services that a user's plays are told to.
CREATE TABLE scrobble_link (
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    target TEXT NOT NULL,                   -- listenbrainz, lastfm
    name TEXT NOT NULL,                     -- of the user, over there
    secret_sealed {bytes} NOT NULL,         -- token or session key
    refused BIGINT NOT NULL,                -- the service takes the secret no more; nothing is sent until it is linked anew
    failures BIGINT NOT NULL,               -- after each other
    due_ms BIGINT NOT NULL,                 -- when something may be sent again
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (account_id, target)
);

-- Plays that the service does not know yet, with what is told of them: their files may be gone by then.
CREATE TABLE scrobble (
    id {key},
    account_id BIGINT NOT NULL,
    target TEXT NOT NULL,
    played_ms BIGINT NOT NULL,
    title TEXT NOT NULL,
    artist TEXT NOT NULL,
    album TEXT NOT NULL,
    album_artist TEXT NOT NULL,
    number BIGINT,
    duration_ms BIGINT NOT NULL,
    musicbrainz_id TEXT NOT NULL,
    FOREIGN KEY (account_id, target) REFERENCES scrobble_link (account_id, target) ON DELETE CASCADE
);
CREATE INDEX scrobble_link_of ON scrobble (account_id, target, id);

-- What a service says of an artist or album, or that it says nothing.
CREATE TABLE note (
    subject TEXT PRIMARY KEY,               -- artist or album, and its folded names
    text TEXT NOT NULL,
    url TEXT NOT NULL,                      -- of its page over there
    musicbrainz_id TEXT NOT NULL,
    fetched_ms BIGINT NOT NULL
);
