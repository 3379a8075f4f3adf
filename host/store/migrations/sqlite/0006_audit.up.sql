-- The audit chain: entries, each linked to the one before by its MAC. One chain for each class, kept for a time of its own.

CREATE TABLE audit_entries (
    chain      TEXT NOT NULL,
    -- From 1, without a gap.
    seq        INTEGER NOT NULL CHECK (seq > 0),
    -- When it happened: microseconds since 1970 in UTC.
    at_micros  INTEGER NOT NULL,
    -- None where nobody was recognised.
    tenant     TEXT,
    actor      TEXT,
    -- The method and the route; what it was about is none where it stands for several.
    action     TEXT NOT NULL,
    resource   TEXT,
    outcome    TEXT NOT NULL,
    status     INTEGER,
    -- How many equal ones it stands for.
    count      INTEGER NOT NULL,
    request_id TEXT,
    peer       TEXT,
    detail     TEXT,
    mac        BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

-- What each chain ends with. The seal says that this is the end, which the last entry's MAC does not.
CREATE TABLE audit_heads (
    chain TEXT NOT NULL PRIMARY KEY,
    seq   INTEGER NOT NULL,
    mac   BLOB NOT NULL,
    seal  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Parts of chains that are, or are about to be, in encrypted blobs. Rows stay when blobs have gone, so that chains go on.
CREATE TABLE audit_segments (
    chain       TEXT NOT NULL,
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    from_micros INTEGER NOT NULL,
    to_micros   INTEGER NOT NULL,
    -- The MACs of the entry before the first, and of the last.
    before_mac  BLOB NOT NULL,
    last_mac    BLOB NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('planned', 'sealed', 'expired', 'gone')),
    -- What says all this.
    seal        BLOB NOT NULL,
    PRIMARY KEY (chain, first_seq)
) STRICT, WITHOUT ROWID;
