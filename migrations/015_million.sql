-- A million tracks as readily as a thousand. Lists are walks along indexes that begin with the library; sums are kept where
-- they are asked for. {clustered} has a table lie in its primary key.

-- Tracks: the library where one is there, NULL while it is missing or in the trash. Triggers on item keep it.
ALTER TABLE track ADD COLUMN listed_in BIGINT;
CREATE INDEX track_listed ON track (listed_in, item_id);
CREATE INDEX track_year ON track (listed_in, year, item_id);

ALTER TABLE track_genre ADD COLUMN listed_in BIGINT;
DROP INDEX track_genre_genre;
CREATE INDEX track_genre_listed ON track_genre (genre_id, listed_in, item_id);

-- Albums: what of their tracks their objects tell, as JSON lists.
ALTER TABLE album ADD COLUMN genres TEXT NOT NULL DEFAULT '[]';
ALTER TABLE album ADD COLUMN moods TEXT NOT NULL DEFAULT '[]';
ALTER TABLE album ADD COLUMN disc_titles TEXT NOT NULL DEFAULT '[]';
DROP INDEX album_sort;
DROP INDEX album_artist_sort;
DROP INDEX album_added;
DROP INDEX album_year;
-- With all that a list asks of an album that is there, so that a walk stays in the index.
CREATE INDEX album_by_name ON album (library_id, sort, id, track_count) WHERE track_count > 0;
CREATE INDEX album_by_artist ON album (library_id, artist_sort, sort, id, track_count) WHERE track_count > 0;
CREATE INDEX album_by_time ON album (library_id, added_ms, sort, id, track_count) WHERE track_count > 0;
CREATE INDEX album_by_year ON album (library_id, year, sort, id, track_count) WHERE track_count > 0;

CREATE TABLE album_genre (
    genre_id BIGINT NOT NULL REFERENCES genre (id) ON DELETE CASCADE,
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,
    sort {bytes} NOT NULL,                  -- of the album
    album_id BIGINT NOT NULL REFERENCES album (id) ON DELETE CASCADE,
    track_count BIGINT NOT NULL,
    PRIMARY KEY (genre_id, library_id, sort, album_id)
){clustered};
CREATE INDEX album_genre_album ON album_genre (album_id);
CREATE INDEX album_genre_library ON album_genre (library_id);

-- Sums over album_genre.
CREATE TABLE genre_in (
    genre_id BIGINT NOT NULL REFERENCES genre (id) ON DELETE CASCADE,
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,
    track_count BIGINT NOT NULL,
    album_count BIGINT NOT NULL,
    PRIMARY KEY (library_id, genre_id)
){clustered};

-- What an artist is in one library.
CREATE TABLE artist_in (
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,
    artist_id BIGINT NOT NULL REFERENCES artist (id) ON DELETE CASCADE,
    sort {bytes} NOT NULL,                  -- of the artist
    led BIGINT NOT NULL,                    -- albums that are credited to them
    led_covers BIGINT NOT NULL,             -- those of them that have a picture
    played BIGINT NOT NULL,                 -- albums with a track that they play on
    played_covers BIGINT NOT NULL,
    is_artist BIGINT NOT NULL,              -- of a track; so are the next two
    is_album_artist BIGINT NOT NULL,
    is_composer BIGINT NOT NULL,
    stale BIGINT NOT NULL,                  -- their albums or tracks changed; to be summed up anew
    PRIMARY KEY (library_id, artist_id)
){clustered};
CREATE INDEX artist_in_artist ON artist_in (artist_id);
CREATE INDEX artist_in_sort ON artist_in (library_id, sort, artist_id);
CREATE INDEX artist_in_stale ON artist_in (library_id) WHERE stale = 1;
CREATE INDEX artist_initial ON artist (initial, sort, id);

-- Beginnings of words, by which artists, albums and tracks are searched.
CREATE TABLE word (
    library_id BIGINT NOT NULL REFERENCES library (id) ON DELETE CASCADE,
    kind BIGINT NOT NULL,                   -- 0 artist, 1 album (by its name and artist), 2 track (by its title)
    word {bytes} NOT NULL,
    object_id BIGINT NOT NULL,
    PRIMARY KEY (library_id, kind, word, object_id)
){clustered};

-- What users said, in the orders of lists; and a number that is another one after each word of theirs.
CREATE INDEX mark_starred ON mark (account_id, object_kind, starred_ms, object_id) WHERE starred_ms IS NOT NULL;
CREATE INDEX mark_rating ON mark (account_id, object_kind, rating, object_id) WHERE rating IS NOT NULL;
CREATE INDEX mark_plays ON mark (account_id, object_kind, plays, object_id) WHERE plays > 0;
CREATE INDEX mark_played ON mark (account_id, object_kind, played_ms, object_id) WHERE played_ms IS NOT NULL;
ALTER TABLE account ADD COLUMN marks BIGINT NOT NULL DEFAULT 0;
