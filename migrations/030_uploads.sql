-- What is to be noted on the file that an upload becomes: texts by name, in JSON.
ALTER TABLE upload ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';

-- The next scan reads the tags of what lies in folders that may each hold a disc, which tell of the album now.
UPDATE item SET modified_ns = modified_ns - 1 WHERE media = 1 AND parent_id IN (
    SELECT id FROM item WHERE kind = 0
    AND (LOWER(shown) LIKE 'cd%' OR LOWER(shown) LIKE 'disc%' OR LOWER(shown) LIKE 'disk%')
);
