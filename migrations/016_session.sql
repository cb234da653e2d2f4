-- Apps that users let in by OAuth. Those that clients have built in are no rows: `account::oauth` knows them.
CREATE TABLE oauth_client (
    id TEXT PRIMARY KEY,                    -- a UUID
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    icon TEXT NOT NULL,
    homepage TEXT NOT NULL,
    secret_hash {bytes} NOT NULL,           -- SHA-256
    redirect_uris TEXT NOT NULL,            -- JSON list; one is taken as it is written, or not at all
    permits TEXT NOT NULL,                  -- what it may ask for at most: names, by spaces
    created_ms BIGINT NOT NULL
);

-- What a user lets an app do. Without it, none of the app's sessions goes on.
CREATE TABLE oauth_grant (
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    permits TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT,
    PRIMARY KEY (account_id, client_id)
);

-- Whose session it is, where an app began it in its user's name, and what that app may do.
ALTER TABLE session ADD COLUMN client_id TEXT;
ALTER TABLE session ADD COLUMN permits TEXT;

-- What is good once has been used. The text itself says what it is good for, and until when.
CREATE TABLE spent_slip (
    hash {bytes} PRIMARY KEY,               -- SHA-256 of the text
    expires_ms BIGINT NOT NULL
);
CREATE INDEX spent_slip_expires ON spent_slip (expires_ms);

CREATE TABLE second_factor (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    secret_sealed {bytes} NOT NULL,
    enabled_ms BIGINT,                      -- NULL: told to the user, who has not shown a code of it yet
    last_step BIGINT NOT NULL               -- of the last code that was taken: no code is taken twice
);

CREATE TABLE passkey (
    id TEXT PRIMARY KEY,                    -- the authenticator's own id of it, as base64url
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    credential TEXT NOT NULL,               -- public key and counters, as JSON
    created_ms BIGINT NOT NULL,
    used_ms BIGINT
);
CREATE INDEX passkey_account ON passkey (account_id);

-- What a browser was asked that makes one: it brings back nothing that could name this.
CREATE TABLE passkey_offer (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    state TEXT NOT NULL,                    -- JSON
    expires_ms BIGINT NOT NULL
);

-- How a user likes their apps. Whoever has no row likes what a new user gets.
CREATE TABLE preference (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    language TEXT NOT NULL,
    theme TEXT NOT NULL,                    -- a colour; empty: the site's
    syncs_views BIGINT NOT NULL,            -- each folder's view is kept here
    keeps_versions BIGINT NOT NULL,
    version_endings TEXT NOT NULL,          -- JSON list of endings of names; empty: of all files
    most_versions BIGINT                    -- of one file; NULL: any number
);
