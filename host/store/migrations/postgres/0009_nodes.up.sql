-- Which nodes share these rows, and what was changed that they keep copies of.

-- One row for each start of a node. Times are microseconds since 1970, by the database's clock.
CREATE TABLE nodes (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    began_micros BIGINT NOT NULL,
    -- When it last said that it lives.
    beat_micros  BIGINT NOT NULL,
    -- It stopped, or was silent for too long. It writes nothing under this id any more.
    ended        BIGINT NOT NULL CHECK (ended IN (0, 1))
);

-- Grows with each change of what a topic's item is about, in the change's own transaction. The
-- topic itself is the item without a name.
CREATE TABLE generations (
    topic  TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    item   TEXT COLLATE "C" NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (topic, tenant, item)
);

-- The start of a node that executes the run, or closes it.
ALTER TABLE runs ADD COLUMN node TEXT COLLATE "C" NOT NULL DEFAULT '';
