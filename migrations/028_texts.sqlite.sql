-- Whose a part is, without its text.
CREATE INDEX text_part_item ON text_part (id, item_id);
-- Files that are no music, pictures or films: among them are those that may say something. It ends with their ids by itself.
CREATE INDEX item_plain ON item (library_id) WHERE kind = 1 AND media = 0;
-- Words of the parts, by their ids. They come with spaces between them and nothing else, so all other signs are of words.
CREATE VIRTUAL TABLE text_words USING fts5 (
    words, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'C* L* M* N* P* S*'"
);
CREATE TRIGGER text_part_gone AFTER DELETE ON text_part
BEGIN
    DELETE FROM text_words WHERE rowid = OLD.id;
END;
