-- Words of the parts, by their ids. They come with spaces between them and nothing else, so all other signs are of words.
CREATE VIRTUAL TABLE text_words USING fts5 (
    words, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'C* L* M* N* P* S*'"
);
CREATE TRIGGER text_part_gone AFTER DELETE ON text_part
BEGIN
    DELETE FROM text_words WHERE rowid = OLD.id;
END;
