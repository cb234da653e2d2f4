-- What an administrator allows a user. Of the roles, account.role says who is an admin; the others are bits here, in the
-- order of `account::Role`. The default is what everybody could do before: nobody had podcasts or the jukebox.
ALTER TABLE account ADD COLUMN roles BIGINT NOT NULL DEFAULT 3574;
ALTER TABLE account ADD COLUMN most_kbps BIGINT;    -- of streamed music
ALTER TABLE account ADD COLUMN folders TEXT;        -- JSON list of the folder libraries they may see; NULL: any

-- Pictures of users, as they are sent.
CREATE TABLE avatar (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    picture {bytes} NOT NULL,
    changed_ms BIGINT NOT NULL
);

-- A place in an item where its user will go on.
ALTER TABLE mark ADD COLUMN bookmark_ms BIGINT;
ALTER TABLE mark ADD COLUMN bookmark_comment TEXT;
ALTER TABLE mark ADD COLUMN bookmark_created_ms BIGINT;
ALTER TABLE mark ADD COLUMN bookmark_changed_ms BIGINT;
CREATE INDEX mark_bookmark ON mark (account_id, object_id) WHERE bookmark_ms IS NOT NULL;

CREATE TABLE play_queue (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    items TEXT NOT NULL,                    -- JSON list of item keys; one may stand there twice
    place BIGINT NOT NULL,                  -- place in that list
    position_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    changed_by TEXT NOT NULL                -- the app
);

-- What a user's app plays, as it last told.
CREATE TABLE playback (
    id {key},
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    player TEXT NOT NULL,                   -- the app
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    state TEXT NOT NULL,                    -- starting, playing, paused, stopped
    position_ms BIGINT NOT NULL,            -- when it was told
    rate DOUBLE PRECISION NOT NULL,
    started_ms BIGINT NOT NULL,
    told_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,                -- dead from then on
    play TEXT NOT NULL,                     -- awaited, counted, or told: the app itself tells when it counts
    UNIQUE (account_id, player)
);
CREATE INDEX playback_ends ON playback (ends_ms);
CREATE INDEX playback_item ON playback (item_id);

CREATE TABLE radio_station (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    stream_url TEXT NOT NULL,
    homepage_url TEXT
);

CREATE TABLE chat_message (
    id {key},
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    sent_ms BIGINT NOT NULL
);
CREATE INDEX chat_message_account ON chat_message (account_id);
CREATE INDEX chat_message_sent ON chat_message (sent_ms);
