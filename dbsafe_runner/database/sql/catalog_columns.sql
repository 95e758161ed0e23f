-- The catalogs and their columns, from which comparisons are built. Statistics, dependencies on roles (which
-- follow from the rest) and large objects (which are data) are not part of a schema.
select c.relname, c.oid, c.relisshared, a.attname, a.atttypid = 'pg_catalog.regproc'::pg_catalog.regtype
  from pg_catalog.pg_class as c
  join pg_catalog.pg_attribute as a on a.attrelid = c.oid
 where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace and c.relkind = 'r'
   and c.relname not in ('pg_statistic', 'pg_statistic_ext_data', 'pg_shdepend', 'pg_largeobject',
                         'pg_largeobject_metadata')
   and a.attnum > 0 and not a.attisdropped
   -- Passwords of mappings and subscriptions are for superusers only.
   and pg_catalog.has_table_privilege(c.oid, 'SELECT')
 order by c.relname, a.attnum
