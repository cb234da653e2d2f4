-- CRC-32 of files, as archives need them; made anew where it is absent or of another content.
CREATE TABLE checksum (
    item_id BIGINT PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    size_bytes BIGINT NOT NULL,
    modified_ns BIGINT NOT NULL,
    inode BIGINT NOT NULL,
    birth_ns BIGINT,
    crc32 BIGINT NOT NULL
);
