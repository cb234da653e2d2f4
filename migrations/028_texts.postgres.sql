ALTER TABLE text_part ADD COLUMN words tsvector NOT NULL;
CREATE INDEX text_part_words ON text_part USING gin (words);
-- Files that are no music, pictures or films: among them are those that may say something.
CREATE INDEX item_plain ON item (library_id, id) WHERE kind = 1 AND media = 0;
