-- One text for both engines: {key} is the engine's own growing integer key, {bytes} its byte string.
-- Times are unix milliseconds, booleans 0 or 1, sort keys byte strings, so that both engines order alike.

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- People -------------------------------------------------------------------------------------------------------------

CREATE TABLE account (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,          -- folded; names and mail addresses never collide by case or form
    mail TEXT NOT NULL,
    mail_key TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,            -- argon2id
    password_sealed {bytes},                -- encrypted copy for OpenSubsonic's token login; NULL where it is turned off
    role TEXT NOT NULL,                     -- admin, user
    state TEXT NOT NULL,                    -- active, banned
    profile TEXT NOT NULL,                  -- whose shares others see in a list: hidden, public, all
    default_terms TEXT NOT NULL,            -- JSON
    quota_bytes BIGINT,
    epoch BIGINT NOT NULL,                  -- raised at a password change; ends sessions
    created_ms BIGINT NOT NULL
);

CREATE TABLE user_group (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE
);

CREATE TABLE group_member (
    group_id BIGINT NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, account_id)
);

CREATE TABLE session (
    id TEXT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    door TEXT NOT NULL,                     -- page, cloudreve, mycloud: a session of one never opens another
    secret_hash {bytes} NOT NULL,           -- SHA-256 of the cookie's secret or of the refresh generation's secret
    generation BIGINT NOT NULL,             -- raised by each refresh; an older one coming back ends the session
    epoch BIGINT NOT NULL,                  -- the account's epoch when it began
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX session_account ON session (account_id);
CREATE INDEX session_expires ON session (expires_ms);

CREATE TABLE api_key (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    key_hash {bytes} NOT NULL UNIQUE,
    key_sealed {bytes} NOT NULL,            -- OpenSubsonic wants keys to be viewable by their owner
    created_ms BIGINT NOT NULL,
    used_ms BIGINT
);
CREATE INDEX api_key_account ON api_key (account_id);

CREATE TABLE throttle (
    subject TEXT PRIMARY KEY,               -- what is being tried, from which address (IPv6: its /64)
    failures BIGINT NOT NULL,
    last_ms BIGINT NOT NULL
);

-- Rights: one table for libraries, items and shares ------------------------------------------------------------------

CREATE TABLE rights (
    subject_kind TEXT NOT NULL,             -- user, group, same_group, other, anonymous, everyone, auth
    subject_id TEXT NOT NULL,               -- key of the user or group, a share's authId, or empty
    object_kind TEXT NOT NULL,              -- library, item, share
    object_id BIGINT NOT NULL,
    bits BIGINT NOT NULL,
    PRIMARY KEY (object_kind, object_id, subject_kind, subject_id)
);
CREATE INDEX rights_subject ON rights (subject_kind, subject_id);

-- Libraries ----------------------------------------------------------------------------------------------------------

CREATE TABLE library (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    kind TEXT NOT NULL,                     -- folder, home, single (one item shared from outside every library)
    owner_id BIGINT REFERENCES account (id) ON DELETE CASCADE,
    root {bytes} NOT NULL,                  -- path of the folder on this machine
    only_name {bytes},                      -- single: the one name in root that is served
    writable BIGINT NOT NULL,
    online BIGINT NOT NULL,
    revision BIGINT NOT NULL,               -- raised by each scan that changed something
    created_ms BIGINT NOT NULL,
    scanned_ms BIGINT,
    changed_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX library_name ON library (name_key) WHERE kind = 'folder';
CREATE UNIQUE INDEX library_home ON library (owner_id) WHERE kind = 'home';

CREATE TABLE item (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,
    parent_id BIGINT REFERENCES item (id),  -- NULL: the root of the library
    kind BIGINT NOT NULL,                   -- 0 folder, 1 file
    media BIGINT NOT NULL,                  -- 0 none, 1 audio, 2 image, 3 video
    name {bytes} NOT NULL,                  -- as on disk
    shown TEXT NOT NULL,                    -- lossy, unique among its siblings
    sort {bytes} NOT NULL,
    search TEXT NOT NULL,                   -- folded
    size_bytes BIGINT NOT NULL,
    modified_ns BIGINT NOT NULL,
    device BIGINT NOT NULL,
    inode BIGINT NOT NULL,
    birth_ns BIGINT,
    revision BIGINT NOT NULL,               -- raised when the content changes; part of the ETag
    added_ms BIGINT NOT NULL,
    missing_ms BIGINT,                      -- not seen at the last scan; kept, it may come back
    trashed_ms BIGINT,
    trashed_from TEXT                       -- public id of the folder it lay in
);
CREATE UNIQUE INDEX item_name ON item (parent_id, name) WHERE missing_ms IS NULL AND trashed_ms IS NULL;
CREATE UNIQUE INDEX item_shown ON item (parent_id, shown) WHERE missing_ms IS NULL AND trashed_ms IS NULL;
CREATE INDEX item_parent ON item (parent_id, kind, sort);
CREATE INDEX item_library ON item (library_id, missing_ms, trashed_ms);
CREATE INDEX item_inode ON item (library_id, inode);

-- Music --------------------------------------------------------------------------------------------------------------

CREATE TABLE artist (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    sort_name TEXT NOT NULL,
    sort {bytes} NOT NULL,                  -- without its leading article
    initial TEXT NOT NULL,                  -- the index group: A…Z or #
    search TEXT NOT NULL,
    musicbrainz_id TEXT NOT NULL
);

CREATE TABLE album (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,
    identity TEXT NOT NULL,                 -- what makes its tracks one album
    name TEXT NOT NULL,
    sort_name TEXT NOT NULL,
    sort {bytes} NOT NULL,
    search TEXT NOT NULL,
    artist_name TEXT NOT NULL,              -- as shown
    artist_sort {bytes} NOT NULL,
    year BIGINT,
    compilation BIGINT NOT NULL,
    release_types TEXT NOT NULL,            -- JSON list
    musicbrainz_id TEXT NOT NULL,
    cover_item_id BIGINT,                   -- a track with a picture, or an image file in its folder
    track_count BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    added_ms BIGINT NOT NULL,
    stale BIGINT NOT NULL,                  -- its tracks changed; what is summed up here is to be made anew
    UNIQUE (library_id, identity)
);
CREATE INDEX album_stale ON album (library_id) WHERE stale = 1;
CREATE INDEX album_sort ON album (sort, id);
CREATE INDEX album_artist_sort ON album (artist_sort, sort, id);
CREATE INDEX album_added ON album (added_ms, id);
CREATE INDEX album_year ON album (year, id);

CREATE TABLE album_credit (
    album_id BIGINT NOT NULL REFERENCES album (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    artist_id BIGINT NOT NULL REFERENCES artist (id),
    PRIMARY KEY (album_id, position)
);
CREATE INDEX album_credit_artist ON album_credit (artist_id, album_id);

CREATE TABLE track (
    item_id BIGINT PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    album_id BIGINT REFERENCES album (id),
    identity TEXT NOT NULL,                 -- of the album that its tags name; album_id follows at the end of a scan
    unsorted BIGINT NOT NULL,               -- album_id is to be found anew
    title TEXT NOT NULL,
    sort_title TEXT NOT NULL,
    sort {bytes} NOT NULL,
    search TEXT NOT NULL,                   -- title, artists and album, folded
    artist_name TEXT NOT NULL,              -- as shown
    album_artist_name TEXT NOT NULL,
    album_name TEXT NOT NULL,               -- what its tags say of the album, which is made from this
    album_sort_name TEXT NOT NULL,
    album_musicbrainz_id TEXT NOT NULL,
    compilation BIGINT NOT NULL,
    release_types TEXT NOT NULL,            -- JSON list
    disc BIGINT,
    disc_title TEXT NOT NULL,
    number BIGINT,
    year BIGINT,
    duration_ms BIGINT NOT NULL,
    bit_rate_kbps BIGINT NOT NULL,
    sample_rate_hz BIGINT NOT NULL,
    bit_depth BIGINT,
    channels BIGINT NOT NULL,
    bpm BIGINT,
    comment TEXT NOT NULL,
    isrc TEXT NOT NULL,                     -- JSON list
    moods TEXT NOT NULL,                    -- JSON list
    musicbrainz_id TEXT NOT NULL,           -- of the recording
    track_gain_db DOUBLE PRECISION,
    track_peak DOUBLE PRECISION,
    album_gain_db DOUBLE PRECISION,
    album_peak DOUBLE PRECISION,
    has_cover BIGINT NOT NULL,
    lyrics TEXT NOT NULL
);
CREATE INDEX track_album ON track (album_id, disc, number);
CREATE INDEX track_unsorted ON track (identity) WHERE unsorted = 1;

CREATE TABLE track_credit (
    item_id BIGINT NOT NULL REFERENCES track (item_id) ON DELETE CASCADE,
    role TEXT NOT NULL,                     -- artist, albumartist, composer
    position BIGINT NOT NULL,
    artist_id BIGINT NOT NULL REFERENCES artist (id),
    PRIMARY KEY (item_id, role, position)
);
CREATE INDEX track_credit_artist ON track_credit (artist_id, role);

CREATE TABLE genre (
    id {key},
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE
);

CREATE TABLE track_genre (
    item_id BIGINT NOT NULL REFERENCES track (item_id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    genre_id BIGINT NOT NULL REFERENCES genre (id),
    PRIMARY KEY (item_id, position)
);
CREATE INDEX track_genre_genre ON track_genre (genre_id);

CREATE TABLE playlist (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    owner_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    comment TEXT NOT NULL,
    public BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE INDEX playlist_owner ON playlist (owner_id);

CREATE TABLE playlist_entry (
    playlist_id BIGINT NOT NULL REFERENCES playlist (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    PRIMARY KEY (playlist_id, position)
);
CREATE INDEX playlist_entry_item ON playlist_entry (item_id);

-- What a user said of an item, album or artist.
CREATE TABLE mark (
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    object_kind TEXT NOT NULL,              -- item, album, artist
    object_id BIGINT NOT NULL,
    starred_ms BIGINT,
    rating BIGINT,                          -- 1…5
    plays BIGINT NOT NULL,
    played_ms BIGINT,
    PRIMARY KEY (account_id, object_kind, object_id)
);

-- Shares -------------------------------------------------------------------------------------------------------------

CREATE TABLE share (
    id {key},
    public_id TEXT NOT NULL UNIQUE,         -- the bearer's secret: 22 base62 characters
    slug TEXT UNIQUE,                       -- an extra name in the same namespace
    auth_id TEXT NOT NULL UNIQUE,           -- My Cloud Home's grantee for file permissions
    owner_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    door TEXT NOT NULL,                     -- where it was made
    two_step BIGINT NOT NULL,               -- grants no bytes until auth_id is given rights on an item
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    password_hash TEXT,
    password_sealed {bytes},
    not_before_ms BIGINT,
    expires_ms BIGINT,
    view_limit BIGINT,
    download_limit BIGINT,
    downloads_allowed BIGINT NOT NULL,
    mode TEXT NOT NULL,                     -- read, listen
    audience TEXT NOT NULL,                 -- anyone, listed (by rows in rights)
    show_readme BIGINT NOT NULL,
    share_view BIGINT NOT NULL,
    use_cache BIGINT NOT NULL,
    metadata TEXT,                          -- JSON, as it came
    views BIGINT NOT NULL,
    downloads BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    modified_ms BIGINT NOT NULL,
    visited_ms BIGINT,
    epoch BIGINT NOT NULL,                  -- raised at revoke and at a password change
    revoked_ms BIGINT                       -- kept for ever, so that an id is never used again
);
CREATE INDEX share_owner ON share (owner_id, revoked_ms, id);

CREATE TABLE share_item (
    share_id BIGINT NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,                     -- item, album, artist, playlist
    object_id BIGINT NOT NULL,
    PRIMARY KEY (share_id, position)
);

CREATE TABLE visit (
    share_id BIGINT NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    visitor TEXT NOT NULL,
    counted BIGINT NOT NULL,
    first_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (share_id, visitor)
);
CREATE INDEX visit_seen ON visit (seen_ms);

-- A download that was paid for and may be going on. visitor is NULL for one without a cookie.
CREATE TABLE lease (
    id {key},
    share_id BIGINT NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    visitor TEXT,
    address TEXT NOT NULL,
    object TEXT NOT NULL,                   -- what is being downloaded: an item, or a zip of one
    taken_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    started BIGINT NOT NULL,                -- a byte went out
    finished BIGINT NOT NULL                -- the last byte went out
);
CREATE INDEX lease_share ON lease (share_id, object, visitor);
CREATE INDEX lease_expires ON lease (expires_ms);

CREATE TABLE direct_link (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    owner_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    downloads BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    UNIQUE (owner_id, item_id)
);

-- Uploads: one engine behind every door ------------------------------------------------------------------------------

CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    folder_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    replaces_id BIGINT REFERENCES item (id) ON DELETE SET NULL,
    name {bytes} NOT NULL,
    size_bytes BIGINT,                      -- NULL where the client says so only at the end
    chunk_bytes BIGINT NOT NULL,            -- 0: one stream at offsets of the client's choice
    received_bytes BIGINT NOT NULL,
    modified_ms BIGINT,
    on_conflict TEXT NOT NULL,              -- refuse, rename, replace
    temporary TEXT NOT NULL,                -- its name beneath the library's own folder
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX upload_account ON upload (account_id);
CREATE INDEX upload_expires ON upload (expires_ms);

CREATE TABLE upload_chunk (
    upload_id TEXT NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    PRIMARY KEY (upload_id, position)
);

-- What My Cloud Home's clients call an upload, and after it the file that it became.
CREATE TABLE upload_name (
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    upload_id TEXT NOT NULL,
    item_id TEXT,                           -- the file's public id, once there is one
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (account_id, name)
);
CREATE INDEX upload_name_created ON upload_name (created_ms);
