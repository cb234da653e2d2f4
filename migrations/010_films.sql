-- A list of all films, among any number of files that are none.
CREATE INDEX item_film ON item (library_id) WHERE media = 3;
