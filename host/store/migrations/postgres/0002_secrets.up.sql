-- Secrets as the vault sealed them, and single values of the node.

CREATE TABLE secrets (
    tenant      TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    -- Counts every write of this name, deletions too, so that no two writes are ever sealed
    -- for the same place and a lost update shows.
    version     BIGINT NOT NULL,
    -- JSON text, as it was sealed: changing it makes the secret unreadable.
    scope_json  TEXT COLLATE "C" NOT NULL,
    -- Nonce, ciphertext and tag. None once the secret was deleted.
    sealed      BYTEA,
    updated_at  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, environment, name)
);

CREATE TABLE settings (
    tenant TEXT COLLATE "C" NOT NULL,
    key    TEXT COLLATE "C" NOT NULL,
    value  BYTEA NOT NULL,
    PRIMARY KEY (tenant, key)
);
