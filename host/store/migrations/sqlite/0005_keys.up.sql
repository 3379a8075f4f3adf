-- Keys of callers: what each may do, and by which hashes it is recognised. Times are UTC in RFC 3339.

CREATE TABLE keys (
    tenant      TEXT NOT NULL,
    name        TEXT NOT NULL,
    -- A role, whose permissions are the program's; or else a list of permissions, as JSON.
    rights_json TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    -- None where it never expires.
    expires_at  TEXT,
    -- Its name stays taken: a stranger must not inherit its budget.
    revoked_at  TEXT,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- SHA-256 of what callers send. A key has one, and two while it is being replaced.
CREATE TABLE key_hashes (
    hash       BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    tenant     TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- None where it ends with its key.
    expires_at TEXT,
    FOREIGN KEY (tenant, key) REFERENCES keys (tenant, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX key_hashes_by_key ON key_hashes (tenant, key);
