-- What users have the server do behind: pack, unpack, fetch. A row is there before anything is done.
CREATE TABLE task (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,                     -- pack, unpack, fetch
    wish TEXT NOT NULL,                     -- what of which, and where to: JSON
    secret_sealed {bytes},                  -- an archive's password, until the task ends
    state TEXT NOT NULL,                    -- queued, working, waiting, failed, canceled, completed
    error TEXT,
    upload_id TEXT,                         -- of the file that is on its way
    file_name TEXT,                         -- of what is fetched, once it is known
    validator TEXT,                         -- ETag or date of what comes: only of the same is the rest asked for
    is_landing BIGINT NOT NULL,             -- all came that is fetched: without its upload it is there
    files BIGINT NOT NULL,                  -- done, of so many; as are the bytes
    files_total BIGINT NOT NULL,
    files_failed BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    bytes_total BIGINT NOT NULL,
    rate_bytes_s BIGINT NOT NULL,
    tries BIGINT NOT NULL,                  -- that broke off, since something came
    due_ms BIGINT NOT NULL,                 -- when it is tried next
    busy_ms BIGINT NOT NULL,                -- last sign of life of whoever works on it
    worked_ms BIGINT NOT NULL,              -- how long, in all
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX task_account ON task (account_id, id);
CREATE INDEX task_open ON task (due_ms) WHERE state IN ('queued', 'working', 'waiting');
