-- What users keep beside their files: former contents, words, views of folders, pins.

-- Former contents. The bytes lie beneath the hidden folder of the library, under the public id.
CREATE TABLE file_version (
    id {key},
    public_id TEXT NOT NULL UNIQUE,         -- what the content was called while it was current
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,   -- not the item's, once that moved to another
    size_bytes BIGINT NOT NULL,
    modified_ms BIGINT NOT NULL,
    kept_ms BIGINT NOT NULL
);
CREATE INDEX file_version_item ON file_version (item_id, id);
CREATE INDEX file_version_library ON file_version (library_id);

-- Metadata of items: tags with their colours, icons, a user's own fields.
CREATE TABLE item_metadata (
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (item_id, name)
){clustered};
CREATE INDEX item_metadata_name ON item_metadata (name, item_id);

-- How a user looks at a folder, as a client told it.
CREATE TABLE folder_view (
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    view TEXT NOT NULL,                     -- JSON
    PRIMARY KEY (account_id, item_id)
);
CREATE INDEX folder_view_item ON folder_view (item_id);

CREATE TABLE pin (
    id {key},
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    uri TEXT NOT NULL,
    name TEXT,
    UNIQUE (account_id, uri)
);

-- What the file to be replaced was when its client saw it.
ALTER TABLE upload ADD COLUMN replaces_revision BIGINT;
CREATE INDEX upload_folder ON upload (folder_id);

-- A folder of any size is paged through along one of these, in each order.
CREATE INDEX item_by_size ON item (parent_id, kind, size_bytes, id) WHERE missing_ms IS NULL AND trashed_ms IS NULL;
CREATE INDEX item_by_change ON item (parent_id, kind, modified_ns, id) WHERE missing_ms IS NULL AND trashed_ms IS NULL;
CREATE INDEX item_by_age ON item (parent_id, kind, added_ms, id) WHERE missing_ms IS NULL AND trashed_ms IS NULL;
CREATE INDEX share_item_object ON share_item (object_id, kind);
