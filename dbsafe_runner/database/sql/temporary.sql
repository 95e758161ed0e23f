-- The start of every comparison of catalogs: what belongs to sessions, and does not count.
with temporary_schemas as materialized (
    select oid from pg_catalog.pg_namespace
     where nspname like 'pg\_temp\_%' or nspname like 'pg\_toast\_temp\_%'),
temporary as materialized (
    select oid from pg_catalog.pg_class where relpersistence = 't')
