-- Storage policies: what may be stored, by name. The default one has no row until somebody changes it or refers to it.
CREATE TABLE storage_policy (
    id {key},
    public_id TEXT NOT NULL UNIQUE,         -- the default one's is 'local'
    name TEXT NOT NULL,
    most_bytes BIGINT,                      -- of one file
    endings TEXT NOT NULL,                  -- of names of files, in lower case: a list in JSON
    endings_are TEXT NOT NULL,              -- taken (and no others), refused
    pattern TEXT,                           -- of whole names: a regular expression
    pattern_is TEXT NOT NULL,
    chunk_bytes BIGINT,                     -- that uploads come in
    created_ms BIGINT NOT NULL,
    modified_ms BIGINT NOT NULL
);

-- What a group gives its members to store under: the first where they choose nothing, the others to choose from.
CREATE TABLE group_policy (
    group_id BIGINT NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    policy_id BIGINT NOT NULL REFERENCES storage_policy (id),
    position BIGINT NOT NULL,
    PRIMARY KEY (group_id, policy_id)
);
CREATE INDEX group_policy_policy ON group_policy (policy_id);

-- A folder or file that is under one of its own, as is what lies below it and has none nearer.
CREATE TABLE item_policy (
    item_id BIGINT PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    policy_id BIGINT NOT NULL REFERENCES storage_policy (id)
);
CREATE INDEX item_policy_policy ON item_policy (policy_id);
