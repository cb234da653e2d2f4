-- What is to be noted on the file that an upload becomes: texts by name, in JSON.
ALTER TABLE upload ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
