-- Sign-ins of a user's for WebDAV alone.
CREATE TABLE dav_account (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    root TEXT NOT NULL,                     -- JSON list of names from the user's root
    read_only BIGINT NOT NULL,
    proxy BIGINT NOT NULL,                  -- kept for the clients that set it
    no_system_files BIGINT NOT NULL,        -- likewise
    password_hash {bytes} NOT NULL UNIQUE,  -- SHA-256: it is random and long
    password_sealed {bytes} NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX dav_account_owner ON dav_account (account_id, id);

-- What WebDAV clients note about a file or folder, in words of their own.
CREATE TABLE dav_property (
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    xml TEXT NOT NULL,                      -- the whole element
    PRIMARY KEY (item_id, namespace, name)
){clustered};

-- Who may write to a file or folder for the time being.
CREATE TABLE file_lock (
    token TEXT PRIMARY KEY,
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    is_shared BIGINT NOT NULL,
    is_deep BIGINT NOT NULL,
    owner TEXT NOT NULL,                    -- XML in which the client says whose it is
    lasts_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX file_lock_library ON file_lock (library_id);
CREATE INDEX file_lock_item ON file_lock (item_id);
CREATE INDEX file_lock_account ON file_lock (account_id);
