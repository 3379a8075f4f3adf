-- What tenants and keys may use of a node: requests, calls at once, tokens, money. What was used
-- rests nowhere but in the charges.

CREATE TABLE limits (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL CHECK (scope IN ('tenant', 'key')),
    -- Of the key; empty for the tenant itself.
    id     TEXT NOT NULL,
    -- One a line, such as `requests=60/1m`.
    limits TEXT NOT NULL,
    PRIMARY KEY (tenant, scope, id)
) STRICT, WITHOUT ROWID;
