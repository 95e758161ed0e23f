-- The tables, sequences, materialised views and catalogs of a database that have rows of their own, and the
-- TOAST tables, whose rows belong to their owner. $1: only those with these oids; null means all.
select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence = 'u',
       pg_catalog.pg_relation_filenode(c.oid),
       coalesce(t.oid, 0),
       -- Triggers and rules that fire although session_replication_role is "replica".
       exists (select from pg_catalog.pg_trigger as g
                where c.relhastriggers and g.tgrelid = c.oid and g.tgenabled in ('A', 'R'))
       or exists (select from pg_catalog.pg_rewrite as w
                   where c.relhasrules and w.ev_class = c.oid and w.ev_enabled in ('A', 'R')),
       c.relispopulated
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  left join pg_catalog.pg_class as t on t.reltoastrelid = c.oid and c.relkind = 't'
 where c.relkind in ('r', 'm', 'S', 't') and c.relpersistence <> 't'
   and ($1::oid[] is null or c.oid = any ($1::oid[]))
