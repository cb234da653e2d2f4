-- Points in double entry: each transfer is entries that sum to nothing, and a purse holds the sum of its entries.
CREATE TABLE purse (
    id {key},
    kind TEXT NOT NULL,                     -- issue: the server's own, from which all points come; user
    account_id BIGINT UNIQUE REFERENCES account (id) ON DELETE SET NULL,    -- NULL: the issue, or a user who went
    balance BIGINT NOT NULL,
    CHECK (kind = 'issue' OR balance >= 0)
);
CREATE UNIQUE INDEX purse_issue ON purse (kind) WHERE kind = 'issue';

CREATE TABLE point_transfer (
    id {key},
    made_ms BIGINT NOT NULL
);

CREATE TABLE point_entry (
    id {key},
    transfer_id BIGINT NOT NULL REFERENCES point_transfer (id),
    purse_id BIGINT NOT NULL REFERENCES purse (id),
    amount BIGINT NOT NULL,
    reason TEXT NOT NULL                    -- pay, share_purchased, adjust, redeem
);
CREATE INDEX point_entry_purse ON point_entry (purse_id, id);
CREATE INDEX point_entry_transfer ON point_entry (transfer_id);

ALTER TABLE share ADD COLUMN price BIGINT NOT NULL DEFAULT 0;

CREATE TABLE payment (
    id {key},
    public_id TEXT NOT NULL UNIQUE,
    trade_no TEXT NOT NULL UNIQUE,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    share_id BIGINT REFERENCES share (id) ON DELETE SET NULL,
    transfer_id BIGINT REFERENCES point_transfer (id),      -- NULL: it cost nothing
    name TEXT NOT NULL,                     -- what was bought, as it was called then
    price BIGINT NOT NULL,
    made_ms BIGINT NOT NULL
);
CREATE INDEX payment_account ON payment (account_id, id);
CREATE INDEX payment_share ON payment (share_id);

-- Who may have what a priced share holds: a user, or whoever shows the ticket. Gone when the share is revoked.
CREATE TABLE purchase (
    id {key},
    share_id BIGINT NOT NULL REFERENCES share (id) ON DELETE CASCADE,
    account_id BIGINT REFERENCES account (id) ON DELETE CASCADE,
    payment_id BIGINT REFERENCES payment (id) ON DELETE SET NULL,   -- NULL: a gift
    ticket_hash {bytes} UNIQUE,             -- SHA-256
    expires_ms BIGINT,
    made_ms BIGINT NOT NULL,
    UNIQUE (share_id, account_id)
);
CREATE INDEX purchase_account ON purchase (account_id);

CREATE TABLE gift_code (
    id {key},
    code_hash {bytes} NOT NULL UNIQUE,      -- SHA-256
    points BIGINT,                          -- either these
    share_id BIGINT REFERENCES share (id) ON DELETE CASCADE,    -- or a purchase of this
    made_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    redeemed_ms BIGINT
);
CREATE INDEX gift_code_share ON gift_code (share_id);

CREATE TABLE abuse_report (
    id {key},
    category BIGINT NOT NULL,
    description TEXT NOT NULL,
    share_id BIGINT REFERENCES share (id) ON DELETE CASCADE,
    account_id BIGINT REFERENCES account (id) ON DELETE CASCADE,    -- who is reported, not who reports
    place TEXT NOT NULL,                    -- the folder in the share, without its password
    network TEXT NOT NULL,                  -- from which it came
    made_ms BIGINT NOT NULL
);
CREATE INDEX abuse_report_share ON abuse_report (share_id);
CREATE INDEX abuse_report_account ON abuse_report (account_id);
