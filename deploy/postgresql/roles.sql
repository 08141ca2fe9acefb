-- The database of the state and its two roles: halo_ops_owner changes the schema, halo_ops runs the dashboard and can
-- neither change nor drop a line of the audit. Once, as a superuser:
--   psql -v owner_password=... -v password=... -f roles.sql
-- Then, and after each upgrade:
--   HALO_OPS_STATE_URL=postgresql://halo_ops_owner@host/halo_ops .venv/bin/python -m lib.state migrate
CREATE ROLE halo_ops_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE halo_ops LOGIN PASSWORD :'password';
CREATE DATABASE halo_ops OWNER halo_ops_owner;
\connect halo_ops
REVOKE ALL ON DATABASE halo_ops FROM PUBLIC;
GRANT CONNECT ON DATABASE halo_ops TO halo_ops;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO halo_ops_owner;
GRANT USAGE ON SCHEMA public TO halo_ops;
-- What the owner makes from now on is halo_ops' to use. The audit takes the right to change it away again by itself.
ALTER DEFAULT PRIVILEGES FOR ROLE halo_ops_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO halo_ops;
ALTER DEFAULT PRIVILEGES FOR ROLE halo_ops_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO halo_ops;
