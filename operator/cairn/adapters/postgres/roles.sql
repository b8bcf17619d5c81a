-- The roles of Cairn, for the whole server. None can log in, none is a superuser, none gets around row level security.
-- Whoever logs in is made a member: the operator of cairn_operator, the API of cairn_reader, migrations of cairn_owner.
-- An administrator may make them beforehand; then the migrating user needs to be no more than a member of cairn_owner.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['cairn_owner', 'cairn_operator', 'cairn_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of this server was migrated at the same moment
            END;
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
    IF NOT has_schema_privilege('cairn_owner', 'public', 'CREATE') THEN
        GRANT USAGE, CREATE ON SCHEMA public TO cairn_owner;
    END IF;
END
$$;
