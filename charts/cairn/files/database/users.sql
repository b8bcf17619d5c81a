-- The database, the roles of Cairn (see docs/database.md) and a user for each who logs in; again: changes passwords only.
\set ON_ERROR_STOP on
SET log_statement = 'none'; -- no password in the log, whatever the settings say
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET client_min_messages = 'warning';

SELECT format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', wanted)
FROM unnest(ARRAY['cairn_owner', 'cairn_operator', 'cairn_reader']) wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) \gexec

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', wanted)
FROM unnest(ARRAY['migrator', 'operator', 'api']) wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) \gexec

\set password `cat /etc/cairn-passwords/migrate-password`
ALTER ROLE migrator PASSWORD :'password';
\set password `cat /etc/cairn-passwords/operator-password`
ALTER ROLE operator PASSWORD :'password';
\set password `cat /etc/cairn-passwords/api-password`
ALTER ROLE api PASSWORD :'password';

GRANT cairn_owner TO migrator;
GRANT cairn_operator TO operator;
GRANT cairn_reader TO api;

SELECT 'CREATE DATABASE cairn TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'cairn') \gexec

REVOKE ALL ON DATABASE cairn FROM PUBLIC;
GRANT CONNECT ON DATABASE cairn TO migrator, operator, api;
\connect cairn
GRANT USAGE, CREATE ON SCHEMA public TO cairn_owner;
