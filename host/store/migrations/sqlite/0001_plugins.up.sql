-- Plugins, their versions, what was decided about them, and the connections that use them.
-- Digests are 64 hex digits, times are UTC in RFC 3339, `*_json` columns hold JSON text.

CREATE TABLE plugins (
    tenant     TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    -- The version that answers. None while every version is pending.
    active     TEXT,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
    -- Upload order.
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant           TEXT NOT NULL,
    plugin           TEXT NOT NULL,
    digest           TEXT NOT NULL,
    semver           TEXT NOT NULL,
    world            TEXT NOT NULL,
    size_bytes       INTEGER NOT NULL,
    uploaded_at      TEXT NOT NULL,
    -- The manifest as written. None for a component that came without one.
    manifest         TEXT,
    -- What was found in the component.
    surface_json     TEXT NOT NULL,
    -- What `describe` answered. None for worlds without it.
    description_json TEXT,
    UNIQUE (tenant, plugin, digest),
    FOREIGN KEY (tenant, plugin) REFERENCES plugins (tenant, name) ON DELETE CASCADE
) STRICT;

CREATE INDEX versions_by_digest ON versions (digest);

-- Each time a version became the active one. Rollback reads it backwards.
CREATE TABLE activations (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    plugin TEXT NOT NULL,
    digest TEXT NOT NULL,
    at     TEXT NOT NULL,
    FOREIGN KEY (tenant, plugin, digest) REFERENCES versions (tenant, plugin, digest) ON DELETE CASCADE
) STRICT;

CREATE INDEX activations_by_plugin ON activations (tenant, plugin, id);

-- The operator's decisions on asks. They outlive versions and go with the plugin, so that a
-- stranger who takes the name later inherits nothing.
CREATE TABLE grants (
    tenant     TEXT NOT NULL,
    plugin     TEXT NOT NULL,
    ask        TEXT NOT NULL,
    decision   TEXT NOT NULL CHECK (decision IN ('granted', 'declined')),
    decided_at TEXT NOT NULL,
    PRIMARY KEY (tenant, plugin, ask),
    FOREIGN KEY (tenant, plugin) REFERENCES plugins (tenant, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Accounts at vendors. They go with the plugin for the same reason.
CREATE TABLE connections (
    tenant           TEXT NOT NULL,
    connector        TEXT NOT NULL,
    name             TEXT NOT NULL,
    config_json      TEXT NOT NULL,
    -- Name in the manifest -> name of the secret.
    credentials_json TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    PRIMARY KEY (tenant, connector, name),
    FOREIGN KEY (tenant, connector) REFERENCES plugins (tenant, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
