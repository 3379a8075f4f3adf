-- Keys of callers: what each may do, and by which hashes it is recognised. Times are UTC in RFC 3339.

CREATE TABLE keys (
    tenant      TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    -- A role, whose permissions are the program's; or else a list of permissions, as JSON.
    rights_json TEXT COLLATE "C" NOT NULL,
    created_at  TEXT COLLATE "C" NOT NULL,
    created_by  TEXT COLLATE "C" NOT NULL,
    -- None where it never expires.
    expires_at  TEXT COLLATE "C",
    -- Its name stays taken: a stranger must not inherit its budget.
    revoked_at  TEXT COLLATE "C",
    PRIMARY KEY (tenant, name)
);

-- SHA-256 of what callers send. A key has one, and two while it is being replaced.
CREATE TABLE key_hashes (
    hash       BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    tenant     TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    -- None where it ends with its key.
    expires_at TEXT COLLATE "C",
    FOREIGN KEY (tenant, key) REFERENCES keys (tenant, name) ON DELETE CASCADE
);

CREATE INDEX key_hashes_by_key ON key_hashes (tenant, key);
