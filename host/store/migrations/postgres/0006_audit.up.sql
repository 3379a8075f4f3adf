-- The audit chain: entries, each linked to the one before by its MAC. One chain for each class, kept for a time of its own.

CREATE TABLE audit_entries (
    chain      TEXT COLLATE "C" NOT NULL,
    -- From 1, without a gap.
    seq        BIGINT NOT NULL CHECK (seq > 0),
    -- When it happened: microseconds since 1970 in UTC.
    at_micros  BIGINT NOT NULL,
    -- None where nobody was recognised.
    tenant     TEXT COLLATE "C",
    actor      TEXT COLLATE "C",
    -- The method and the route; what it was about is none where it stands for several.
    action     TEXT COLLATE "C" NOT NULL,
    resource   TEXT COLLATE "C",
    outcome    TEXT COLLATE "C" NOT NULL,
    status     BIGINT,
    -- How many equal ones it stands for.
    count      BIGINT NOT NULL,
    request_id TEXT COLLATE "C",
    peer       TEXT COLLATE "C",
    detail     TEXT COLLATE "C",
    mac        BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);

-- What each chain ends with. The seal says that this is the end, which the last entry's MAC does not.
CREATE TABLE audit_heads (
    chain TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seq   BIGINT NOT NULL,
    mac   BYTEA NOT NULL,
    seal  BYTEA NOT NULL
);

-- Parts of chains that are, or are about to be, in encrypted blobs. Rows stay when blobs have gone, so that chains go on.
CREATE TABLE audit_segments (
    chain       TEXT COLLATE "C" NOT NULL,
    first_seq   BIGINT NOT NULL,
    last_seq    BIGINT NOT NULL,
    from_micros BIGINT NOT NULL,
    to_micros   BIGINT NOT NULL,
    -- The MACs of the entry before the first, and of the last.
    before_mac  BYTEA NOT NULL,
    last_mac    BYTEA NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('planned', 'sealed', 'expired', 'gone')),
    -- What says all this.
    seal        BYTEA NOT NULL,
    PRIMARY KEY (chain, first_seq)
);
