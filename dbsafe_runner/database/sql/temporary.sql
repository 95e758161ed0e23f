-- The start of every comparison of catalogs: what belongs to sessions, and does not count. Where the namespace is
-- a schema, which our sessions know by the setting dbsafe.schema, the other schemas do not count either. A
-- materialised view gets a new TOAST table whenever it is refreshed: that is a change of content.
with own as materialized (
    select nullif(pg_catalog.current_setting('dbsafe.schema', true), '') as schema),
temporary_schemas as materialized (
    select n.oid from pg_catalog.pg_namespace as n, own
     where n.nspname like 'pg\_temp\_%' or n.nspname like 'pg\_toast\_temp\_%'
        or n.nspname <> own.schema and (n.oid >= 16384 or n.nspname in ('public', 'pg_toast'))),
toast as materialized (
    select c.reltoastrelid as oid from pg_catalog.pg_class as c
     where c.relkind = 'm' and c.reltoastrelid <> 0),
temporary as materialized (
    select c.oid from pg_catalog.pg_class as c, own
     where c.relpersistence = 't'
        or own.schema is not null and c.relnamespace in (select oid from temporary_schemas)
    union all
    select oid from toast
    union all
    select i.indexrelid from pg_catalog.pg_index as i where i.indrelid in (select oid from toast)),
others as materialized (
    select t.oid from pg_catalog.pg_type as t
     where (select schema from own) is not null and t.typnamespace in (select oid from temporary_schemas)
    union all
    select p.oid from pg_catalog.pg_proc as p
     where (select schema from own) is not null and p.pronamespace in (select oid from temporary_schemas))
