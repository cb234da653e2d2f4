-- 1: given as the share was made, and not asked for by its owner yet, whose first asking is no repetition.
ALTER TABLE rights ADD COLUMN unasked BIGINT NOT NULL DEFAULT 0;
