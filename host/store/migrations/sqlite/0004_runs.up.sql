-- Runs of patterns: their records, their journals, and what people see of them. Amounts are whole
-- micro-dollars, times are microseconds since 1970 in UTC.

CREATE TABLE runs (
    -- In the order they were started; the newest are listed first.
    number              INTEGER PRIMARY KEY,
    tenant              TEXT NOT NULL,
    id                  TEXT NOT NULL,
    pattern             TEXT NOT NULL,
    -- Of the version that it executes, whatever is live later.
    digest              TEXT NOT NULL,
    key                 TEXT NOT NULL,
    arguments           TEXT NOT NULL,
    budget_micros       INTEGER NOT NULL,
    -- What a caller named the request by, and what the request said.
    idempotency_key     TEXT,
    request_digest      TEXT NOT NULL,
    status              TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled')),
    started_micros      INTEGER NOT NULL,
    ended_micros        INTEGER,
    duration_micros     INTEGER,
    content             TEXT,
    confidence          REAL,
    -- Why there is no content: a fault, or the plugin's own error as JSON.
    fault               TEXT,
    error               TEXT,
    blame               TEXT,
    detail              TEXT,
    n_charges           INTEGER NOT NULL DEFAULT 0,
    cost_micros         INTEGER NOT NULL DEFAULT 0,
    input_tokens        INTEGER NOT NULL DEFAULT 0,
    cached_tokens       INTEGER NOT NULL DEFAULT 0,
    output_tokens       INTEGER NOT NULL DEFAULT 0,
    -- What a node may have spent of the budget when it died, beyond its charges.
    unreconciled_micros INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, id),
    UNIQUE (tenant, idempotency_key)
) STRICT;

CREATE INDEX runs_by_pattern ON runs (tenant, pattern, number);
CREATE INDEX runs_by_status ON runs (tenant, status, number);

-- What left the node or was answered by it, in the run's order: (step, item, k). An item's first
-- row, k = 0, is what the guest asked and was told; those above are the turns of an agent, or the
-- pieces of a stream.
CREATE TABLE run_steps (
    tenant        TEXT NOT NULL,
    run           TEXT NOT NULL,
    step          INTEGER NOT NULL,
    item          INTEGER NOT NULL,
    k             INTEGER NOT NULL,
    call          TEXT NOT NULL,
    began_micros  INTEGER NOT NULL,
    ended_micros  INTEGER,
    -- JSON. None where this node answered itself, which needs none.
    intent        TEXT,
    -- JSON, as the guest was given it. None until it is there.
    answer        TEXT,
    model         TEXT,
    input_tokens  INTEGER,
    cached_tokens INTEGER,
    output_tokens INTEGER,
    cost_micros   INTEGER,
    -- JSON: the contract's error.
    error         TEXT,
    PRIMARY KEY (tenant, run, step, item, k)
) STRICT;

CREATE TABLE run_events (
    tenant          TEXT NOT NULL,
    run             TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    at_micros       INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    -- Whether the pattern added it, and not the host.
    guest           INTEGER NOT NULL CHECK (guest IN (0, 1)),
    agent           TEXT,
    role            TEXT,
    model           TEXT,
    content         TEXT,
    -- JSON.
    data            TEXT,
    -- Of this event alone, so that the sum over a run is what the run cost.
    cost_micros     INTEGER,
    tokens          INTEGER,
    duration_micros INTEGER,
    -- The event that began what this one is about.
    parent          INTEGER,
    PRIMARY KEY (tenant, run, seq)
) STRICT, WITHOUT ROWID;
