-- Money: budgets, and one charge for each model call that ended. Amounts are whole micro-dollars.

CREATE TABLE budgets (
    tenant              TEXT NOT NULL,
    scope               TEXT NOT NULL CHECK (scope IN ('tenant', 'key', 'run')),
    -- Of the key or run; empty for the tenant itself.
    id                  TEXT NOT NULL,
    limit_micros        INTEGER NOT NULL,
    -- The sum of the scope's charges, kept here so that a start need not add them up.
    spent_micros        INTEGER NOT NULL,
    -- What the node took out of the budget and may have spent, beyond its charges.
    leased_micros       INTEGER NOT NULL,
    -- What was leased when a node died. It counts as spent until the operator releases it.
    unreconciled_micros INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE charges (
    -- In the order they were written.
    id             INTEGER PRIMARY KEY,
    -- When the call ended: microseconds since 1970 in UTC, and no text, because ranges are asked for.
    at_micros      INTEGER NOT NULL,
    tenant         TEXT NOT NULL,
    key            TEXT NOT NULL,
    plugin         TEXT,
    run            TEXT,
    model          TEXT NOT NULL,
    class          TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('completion', 'embedding', 'rerank')),
    input_tokens   INTEGER NOT NULL,
    cached_tokens  INTEGER NOT NULL,
    output_tokens  INTEGER NOT NULL,
    cost_micros    INTEGER NOT NULL CHECK (cost_micros <= held_micros),
    held_micros    INTEGER NOT NULL,
    -- What the worker reported where that was more than was held.
    claimed_micros INTEGER,
    estimated      INTEGER NOT NULL CHECK (estimated IN (0, 1)),
    outcome        TEXT NOT NULL CHECK (outcome IN ('settled', 'abandoned', 'over_hold'))
) STRICT;

-- Each holds the cost too, so that a sum reads the index alone.
CREATE INDEX charges_by_time ON charges (tenant, at_micros, cost_micros);
CREATE INDEX charges_by_key ON charges (tenant, key, at_micros, cost_micros);
CREATE INDEX charges_by_run ON charges (tenant, run, cost_micros) WHERE run IS NOT NULL;
