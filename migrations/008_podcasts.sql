-- Podcasts: feeds that are followed. Fetched episodes are items of the one library of kind podcasts.
CREATE TABLE podcast_channel (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL UNIQUE,               -- of the feed
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    image_url TEXT,
    cover_url TEXT,                         -- what the picture that is here was fetched from
    cover_item_id BIGINT REFERENCES item (id) ON DELETE SET NULL,
    folder TEXT UNIQUE,                     -- name of its folder, once it has one
    state TEXT NOT NULL,                    -- new, read, failed
    error TEXT,
    etag TEXT,                              -- of the feed as it was read last, as are the next two
    modified TEXT,
    content_hash TEXT,
    failures BIGINT NOT NULL,               -- after each other
    due_ms BIGINT NOT NULL,                 -- when it is read next
    created_ms BIGINT NOT NULL
);
CREATE INDEX podcast_channel_due ON podcast_channel (due_ms);

CREATE TABLE podcast_episode (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    channel_id BIGINT NOT NULL REFERENCES podcast_channel (id) ON DELETE CASCADE,
    guid TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    url TEXT NOT NULL,
    suffix TEXT NOT NULL,
    size_bytes BIGINT,                      -- as the feed has it
    duration_ms BIGINT,
    published_ms BIGINT,
    seen_ms BIGINT NOT NULL,                -- in the feed, the last time
    added_ms BIGINT NOT NULL,
    state TEXT NOT NULL,                    -- new, downloading, completed, failed, deleted
    item_id BIGINT REFERENCES item (id) ON DELETE SET NULL,
    file_name TEXT,                         -- in the channel's folder, from the first download on
    temporary TEXT,                         -- what came so far, under this name
    validator TEXT,                         -- ETag or date of what comes: only of the same is the rest asked for
    tries BIGINT NOT NULL,                  -- that broke off, of this download
    due_ms BIGINT NOT NULL,                 -- when a download is tried next
    busy_ms BIGINT NOT NULL,                -- last sign of life of whoever downloads it
    UNIQUE (channel_id, guid)
);
CREATE INDEX podcast_episode_published ON podcast_episode (published_ms);
CREATE INDEX podcast_episode_item ON podcast_episode (item_id);
CREATE INDEX podcast_episode_downloading ON podcast_episode (due_ms) WHERE state = 'downloading';
