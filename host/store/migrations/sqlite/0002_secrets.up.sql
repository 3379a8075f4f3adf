-- Secrets as the vault sealed them, and single values of the node.

CREATE TABLE secrets (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    name        TEXT NOT NULL,
    -- Counts every write of this name, deletions too, so that no two writes are ever sealed
    -- for the same place and a lost update shows.
    version     INTEGER NOT NULL,
    -- JSON text, as it was sealed: changing it makes the secret unreadable.
    scope_json  TEXT NOT NULL,
    -- Nonce, ciphertext and tag. None once the secret was deleted.
    sealed      BLOB,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (tenant, environment, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    tenant TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
