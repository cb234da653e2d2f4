-- How fast a share hands out bytes, in bytes per second; without one, as fast as the server does.
ALTER TABLE share ADD COLUMN rate_bytes_s BIGINT;
