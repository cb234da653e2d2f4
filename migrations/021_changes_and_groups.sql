-- What became of files, in the order in which it was committed: told to whoever listens, and kept for a while as the
-- history of items. Without references: what it tells of may be gone by then. Places are JSON, [[key, name], …] from the
-- root of the library to the item.
CREATE TABLE file_change (
    id {key},
    library_id BIGINT NOT NULL,             -- where it lies now, or lay
    item_id BIGINT,                         -- NULL: more changed there at once than is told one by one
    item_public_id TEXT NOT NULL,
    kind TEXT NOT NULL,                     -- create, modify, rename, move, delete, restore; many
    place_before TEXT,                      -- NULL: it was not there
    place_after TEXT,                       -- NULL: it is not there any more
    account_id BIGINT REFERENCES account (id) ON DELETE SET NULL,   -- who did it, where that is known
    client TEXT,                            -- what their app calls itself
    at_ms BIGINT NOT NULL
);
CREATE INDEX file_change_item ON file_change (item_id, id);
CREATE INDEX file_change_account ON file_change (account_id);

-- What a group gives to whoever is put into it. Of the roles, those that a group decides (`account::Roles::OF_GROUPS`).
ALTER TABLE user_group ADD COLUMN roles BIGINT NOT NULL DEFAULT 1040;
ALTER TABLE user_group ADD COLUMN quota_bytes BIGINT;   -- NULL: their quotas stay as they are
ALTER TABLE user_group ADD COLUMN created_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX group_member_account ON group_member (account_id);
