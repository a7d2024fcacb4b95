-- A newer K_DB seals the data keys anew while the backend serves: it may change how a data key is
-- sealed, and nothing else of it.
GRANT UPDATE (generation, sealed) ON data_keys TO ledger_backend;
-- After a person was erased the table is written anew, so that no deleted key lies in its file.
-- Before PostgreSQL 17 only the owner can: there an operator has to.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON data_keys TO ledger_backend';
    END IF;
END
$$;
-- Which persons were erased, asked at every start: few among many events.
CREATE INDEX events_erased ON events (shard, position) WHERE topic = 'cardholder.erased/1';
