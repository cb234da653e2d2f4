-- A row of a track tells its credits and genres by itself: one look finds all that an answer tells of it.
ALTER TABLE track ADD COLUMN credits TEXT NOT NULL DEFAULT '[]';
ALTER TABLE track ADD COLUMN genres TEXT NOT NULL DEFAULT '[]';
