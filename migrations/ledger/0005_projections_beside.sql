-- A read model can be built anew beside the one in use, compared with it, and take its place. The
-- copies have the same names in a schema of their own; how far they are is kept there, too. A later
-- migration that changes a read model's table changes the one in `public`: the copy is made anew
-- from it for each rebuild. Indexes take new names then: a migration must not rely on them.
CREATE SCHEMA beside;
CREATE SCHEMA aside; -- where a table waits for a moment while two change places
CREATE TABLE beside.projections (
    name     text   PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0)
);
GRANT USAGE ON SCHEMA beside TO ledger_backend;
GRANT SELECT, INSERT, UPDATE, DELETE ON beside.projections TO ledger_backend;

-- The backend's role may empty a read model, and nothing else is one. Whatever else it names (the
-- events above all) is refused: these functions run with the owner's rights.
CREATE FUNCTION checked_read_model(name text) RETURNS regclass
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found regclass := to_regclass(format('public.%I', name));
BEGIN
    IF found IS NULL OR name = 'projections' OR NOT has_table_privilege('ledger_backend', found, 'TRUNCATE') THEN
        RAISE EXCEPTION 'no read model %', name USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN found;
END
$$;

-- Empty copies of a projection's tables.
CREATE FUNCTION prepare_beside(projection text, tables text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY tables LOOP
        PERFORM public.checked_read_model(name);
        EXECUTE format('DROP TABLE IF EXISTS beside.%I', name);
        EXECUTE format('CREATE TABLE beside.%I (LIKE public.%I INCLUDING ALL)', name, name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON beside.%I TO ledger_backend', name);
    END LOOP;
    DELETE FROM beside.projections p WHERE p.name = projection;
END
$$;

-- The copies and the tables in use change places, where both have come to the same event.
CREATE FUNCTION switch_beside(projection text, tables text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    name text;
BEGIN
    IF (SELECT p.position FROM public.projections p WHERE p.name = projection FOR UPDATE)
        IS DISTINCT FROM (SELECT p.position FROM beside.projections p WHERE p.name = projection FOR UPDATE)
    THEN
        RAISE EXCEPTION 'projection % is at another event beside', projection USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    FOREACH name IN ARRAY tables LOOP
        PERFORM public.checked_read_model(name);
        EXECUTE format('ALTER TABLE public.%I SET SCHEMA aside', name);
        EXECUTE format('ALTER TABLE beside.%I SET SCHEMA public', name);
        EXECUTE format('ALTER TABLE aside.%I SET SCHEMA beside', name);
    END LOOP;
END
$$;

-- Nothing of it is left.
CREATE FUNCTION drop_beside(projection text, tables text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY tables LOOP
        PERFORM public.checked_read_model(name);
        EXECUTE format('DROP TABLE IF EXISTS beside.%I', name);
    END LOOP;
    DELETE FROM beside.projections p WHERE p.name = projection;
END
$$;

REVOKE ALL ON FUNCTION prepare_beside, switch_beside, drop_beside, checked_read_model FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prepare_beside, switch_beside, drop_beside TO ledger_backend;
