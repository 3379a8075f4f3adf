-- Money: budgets, and one charge for each model call that ended. Amounts are whole micro-dollars.

CREATE TABLE budgets (
    tenant              TEXT COLLATE "C" NOT NULL,
    scope               TEXT COLLATE "C" NOT NULL CHECK (scope IN ('tenant', 'key', 'run')),
    -- Of the key or run; empty for the tenant itself.
    id                  TEXT COLLATE "C" NOT NULL,
    limit_micros        BIGINT NOT NULL,
    -- The sum of the scope's charges, kept here so that a start need not add them up.
    spent_micros        BIGINT NOT NULL,
    -- What the node took out of the budget and may have spent, beyond its charges.
    leased_micros       BIGINT NOT NULL,
    -- What was leased when a node died. It counts as spent until the operator releases it.
    unreconciled_micros BIGINT NOT NULL,
    PRIMARY KEY (tenant, scope, id)
);

CREATE TABLE charges (
    -- In the order they were written.
    id             BIGINT PRIMARY KEY,
    -- When the call ended: microseconds since 1970 in UTC, and no text, because ranges are asked for.
    at_micros      BIGINT NOT NULL,
    tenant         TEXT COLLATE "C" NOT NULL,
    key            TEXT COLLATE "C" NOT NULL,
    plugin         TEXT COLLATE "C",
    run            TEXT COLLATE "C",
    model          TEXT COLLATE "C" NOT NULL,
    class          TEXT COLLATE "C" NOT NULL,
    kind           TEXT COLLATE "C" NOT NULL CHECK (kind IN ('completion', 'embedding', 'rerank')),
    input_tokens   BIGINT NOT NULL,
    cached_tokens  BIGINT NOT NULL,
    output_tokens  BIGINT NOT NULL,
    cost_micros    BIGINT NOT NULL CHECK (cost_micros <= held_micros),
    held_micros    BIGINT NOT NULL,
    -- What the worker reported where that was more than was held.
    claimed_micros BIGINT,
    estimated      BIGINT NOT NULL CHECK (estimated IN (0, 1)),
    outcome        TEXT COLLATE "C" NOT NULL CHECK (outcome IN ('settled', 'abandoned', 'over_hold'))
);

-- Each holds the cost too, so that a sum reads the index alone.
CREATE INDEX charges_by_time ON charges (tenant, at_micros, cost_micros);
CREATE INDEX charges_by_key ON charges (tenant, key, at_micros, cost_micros);
CREATE INDEX charges_by_run ON charges (tenant, run, cost_micros) WHERE run IS NOT NULL;
