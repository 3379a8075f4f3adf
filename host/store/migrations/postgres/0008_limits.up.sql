-- What tenants and keys may use of a node: requests, calls at once, tokens, money. What was used
-- rests nowhere but in the charges.

CREATE TABLE limits (
    tenant TEXT COLLATE "C" NOT NULL,
    scope  TEXT COLLATE "C" NOT NULL CHECK (scope IN ('tenant', 'key')),
    -- Of the key; empty for the tenant itself.
    id     TEXT COLLATE "C" NOT NULL,
    -- One a line, such as `requests=60/1m`.
    limits TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, scope, id)
);
