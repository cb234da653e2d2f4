-- Drop boxes: shares that take files from guests. A share in one of those modes has a row here.
CREATE TABLE drop_box (
    share_id BIGINT PRIMARY KEY REFERENCES share (id) ON DELETE CASCADE,
    asks_name BIGINT NOT NULL,
    folder_per_sender BIGINT NOT NULL,
    most_file_bytes BIGINT,
    most_total_bytes BIGINT,
    most_files BIGINT,
    types TEXT NOT NULL,                    -- file name endings in small letters, by comma; empty: any
    files BIGINT NOT NULL,                  -- received so far, whatever became of them
    bytes BIGINT NOT NULL
);

-- Who sent something to a drop box, as they called themselves.
CREATE TABLE drop_sender (
    share_id BIGINT NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    sender TEXT NOT NULL,                   -- as in lease.visitor
    name TEXT NOT NULL,
    folder_id BIGINT REFERENCES item (id) ON DELETE SET NULL,
    first_ms BIGINT NOT NULL,
    PRIMARY KEY (share_id, sender)
);
CREATE INDEX drop_sender_folder ON drop_sender (folder_id);

-- What was sent: the sender's receipt.
CREATE TABLE drop_file (
    id {key},
    share_id BIGINT NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    sender TEXT NOT NULL,
    name TEXT NOT NULL,                     -- as the sender may know it
    size_bytes BIGINT NOT NULL,
    sha256 {bytes},
    sent_ms BIGINT NOT NULL
);
CREATE INDEX drop_file_sender ON drop_file (share_id, sender, id);

ALTER TABLE upload ADD COLUMN share_id BIGINT REFERENCES share (id) ON DELETE CASCADE;
ALTER TABLE upload ADD COLUMN share_epoch BIGINT;
ALTER TABLE upload ADD COLUMN sender TEXT;
ALTER TABLE upload ADD COLUMN inode BIGINT;     -- of the temporary: finds the file again when a crash lost its row
ALTER TABLE upload ADD COLUMN sha256 {bytes};   -- of the whole, where the client told it beforehand
CREATE INDEX upload_share ON upload (share_id);

-- Contents whose hash was verified, and how the file looked then.
CREATE TABLE content_hash (
    item_id BIGINT PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    size_bytes BIGINT NOT NULL,
    modified_ns BIGINT NOT NULL,
    inode BIGINT NOT NULL,
    sha256 {bytes} NOT NULL
);
CREATE INDEX content_hash_sha256 ON content_hash (sha256);
