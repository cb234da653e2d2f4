-- What files say, to be searched; made anew from the files where it is lost.

-- Which files were read for it, those that say nothing among them.
CREATE TABLE text_read (
    item_id BIGINT PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,               -- of the item that was read
    version BIGINT NOT NULL                 -- of what is taken out of files, and how
);

-- The text of a file, in parts that are searched one by one.
CREATE TABLE text_part (
    id {key},
    item_id BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (item_id, number)
);
