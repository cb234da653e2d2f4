ALTER TABLE text_part ADD COLUMN words tsvector NOT NULL;
CREATE INDEX text_part_words ON text_part USING gin (words);
