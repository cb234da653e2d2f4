-- What more is read of tags.
ALTER TABLE track ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';         -- JSON list
ALTER TABLE track ADD COLUMN original_date TEXT NOT NULL DEFAULT '';    -- as far as known: 1999, 1999-05, 1999-05-04
ALTER TABLE track ADD COLUMN release_date TEXT NOT NULL DEFAULT '';
ALTER TABLE track ADD COLUMN advisory TEXT NOT NULL DEFAULT '';         -- explicit, clean, or nothing is said

ALTER TABLE album ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE album ADD COLUMN original_date TEXT NOT NULL DEFAULT '';
ALTER TABLE album ADD COLUMN release_date TEXT NOT NULL DEFAULT '';
ALTER TABLE album ADD COLUMN advisory TEXT NOT NULL DEFAULT '';

ALTER TABLE track_credit ADD COLUMN part TEXT NOT NULL DEFAULT '';      -- of a performer: the instrument

-- The next scan takes all music for changed, and reads its tags.
UPDATE item SET modified_ns = modified_ns - 1 WHERE media = 1;
