-- A row of a track tells its credits and genres by itself, and lies where its item's number says: one look finds all that an
-- answer tells of it. An index ends with the key of the table by itself. References follow a table that is renamed, so what
-- refers to tracks is made anew as well.
DROP TRIGGER item_listed;
DROP INDEX track_album;
DROP INDEX track_unsorted;
DROP INDEX track_listed;
DROP INDEX track_year;
DROP INDEX track_credit_artist;
DROP INDEX track_genre_listed;
ALTER TABLE track RENAME TO track_before;
ALTER TABLE track_credit RENAME TO track_credit_before;
ALTER TABLE track_genre RENAME TO track_genre_before;

CREATE TABLE track (
    item_id INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    album_id BIGINT REFERENCES album (id),
    identity TEXT NOT NULL,
    unsorted BIGINT NOT NULL,
    title TEXT NOT NULL,
    sort_title TEXT NOT NULL,
    sort BLOB NOT NULL,
    search TEXT NOT NULL,
    artist_name TEXT NOT NULL,
    album_artist_name TEXT NOT NULL,
    album_name TEXT NOT NULL,
    album_sort_name TEXT NOT NULL,
    album_musicbrainz_id TEXT NOT NULL,
    compilation BIGINT NOT NULL,
    release_types TEXT NOT NULL,
    disc BIGINT,
    disc_title TEXT NOT NULL,
    number BIGINT,
    year BIGINT,
    duration_ms BIGINT NOT NULL,
    bit_rate_kbps BIGINT NOT NULL,
    sample_rate_hz BIGINT NOT NULL,
    bit_depth BIGINT,
    channels BIGINT NOT NULL,
    bpm BIGINT,
    comment TEXT NOT NULL,
    isrc TEXT NOT NULL,
    moods TEXT NOT NULL,
    musicbrainz_id TEXT NOT NULL,
    track_gain_db DOUBLE PRECISION,
    track_peak DOUBLE PRECISION,
    album_gain_db DOUBLE PRECISION,
    album_peak DOUBLE PRECISION,
    has_cover BIGINT NOT NULL,
    lyrics TEXT NOT NULL,
    labels TEXT NOT NULL DEFAULT '[]',
    original_date TEXT NOT NULL DEFAULT '',
    release_date TEXT NOT NULL DEFAULT '',
    advisory TEXT NOT NULL DEFAULT '',
    listed_in BIGINT,
    credits TEXT NOT NULL DEFAULT '[]',
    genres TEXT NOT NULL DEFAULT '[]'
);
INSERT INTO track
SELECT item_id, album_id, identity, unsorted, title, sort_title, sort, search, artist_name, album_artist_name, album_name,
       album_sort_name, album_musicbrainz_id, compilation, release_types, disc, disc_title, number, year, duration_ms,
       bit_rate_kbps, sample_rate_hz, bit_depth, channels, bpm, comment, isrc, moods, musicbrainz_id, track_gain_db,
       track_peak, album_gain_db, album_peak, has_cover, lyrics, labels, original_date, release_date, advisory, listed_in, '[]', '[]'
FROM track_before ORDER BY item_id;

CREATE TABLE track_credit (
    item_id BIGINT NOT NULL REFERENCES track (item_id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    position BIGINT NOT NULL,
    artist_id BIGINT NOT NULL REFERENCES artist (id),
    part TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (item_id, role, position)
){clustered};
INSERT INTO track_credit (item_id, role, position, artist_id, part)
SELECT item_id, role, position, artist_id, part FROM track_credit_before ORDER BY item_id, role, position;
DROP TABLE track_credit_before;

CREATE TABLE track_genre (
    item_id BIGINT NOT NULL REFERENCES track (item_id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    genre_id BIGINT NOT NULL REFERENCES genre (id),
    listed_in BIGINT,
    PRIMARY KEY (item_id, position)
){clustered};
INSERT INTO track_genre (item_id, position, genre_id, listed_in)
SELECT item_id, position, genre_id, listed_in FROM track_genre_before ORDER BY item_id, position;
DROP TABLE track_genre_before;
DROP TABLE track_before;

CREATE INDEX track_album ON track (album_id, disc, number) WHERE album_id IS NOT NULL;
CREATE INDEX track_unsorted ON track (identity) WHERE unsorted = 1;
CREATE INDEX track_listed ON track (listed_in);
CREATE INDEX track_year ON track (listed_in, year);
CREATE INDEX track_credit_artist ON track_credit (artist_id, role);
CREATE INDEX track_genre_listed ON track_genre (genre_id, listed_in, item_id);
CREATE TRIGGER item_listed AFTER UPDATE OF library_id, missing_ms, trashed_ms ON item
WHEN NEW.kind = 1 AND (NEW.library_id IS NOT OLD.library_id OR NEW.missing_ms IS NOT OLD.missing_ms
                       OR NEW.trashed_ms IS NOT OLD.trashed_ms)
BEGIN
    UPDATE track SET listed_in = CASE WHEN NEW.missing_ms IS NULL AND NEW.trashed_ms IS NULL THEN NEW.library_id END
    WHERE item_id = NEW.id;
    UPDATE track_genre SET listed_in = (SELECT t.listed_in FROM track t WHERE t.item_id = NEW.id) WHERE item_id = NEW.id;
END;
