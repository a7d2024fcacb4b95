-- States of long streams, kept so that not every event has to be read when an account is used for
-- the first time after a start. No truth of their own: every row can be deleted at any time, and is
-- not used by other code than that which made it. Clear: of which stream, after which event, by
-- which code (a hash of the domain's sources). Sealed: the state.

CREATE TABLE snapshots (
    shard         smallint NOT NULL,
    originator_id uuid     NOT NULL,
    version       bigint   NOT NULL CHECK (version > 0), -- of the last event that is in the state
    made_by       bytea    NOT NULL,
    payload       bytea    NOT NULL,
    PRIMARY KEY (shard, originator_id)
) WITH (fillfactor = 70);
ALTER TABLE snapshots ALTER COLUMN payload SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, UPDATE, DELETE ON snapshots TO ledger_backend;
