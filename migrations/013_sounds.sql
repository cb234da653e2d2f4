-- How tracks sound, 512 items to a row: whoever looks for what is alike reads all of them. What a slot holds is told in
-- store/sounds.rs.
CREATE TABLE sound_block (
    block BIGINT PRIMARY KEY,               -- key of an item, divided by 512
    slots {bytes} NOT NULL
);

-- What all users said of one thing.
CREATE INDEX mark_of_object ON mark (object_kind, object_id);
