-- The tables, sequences, materialised views and catalogs of a database that have rows of their own, and the
-- TOAST tables, whose rows belong to their owner. $1: only those with these oids, and their TOAST tables; null
-- means all.
select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence = 'u',
       pg_catalog.pg_relation_filenode(c.oid),
       coalesce(t.oid, 0),
       -- Triggers and rules that would fire in our sessions, whose session_replication_role is "replica" where
       -- our role may set that.
       exists (select from pg_catalog.pg_trigger as g
                where c.relhastriggers and g.tgrelid = c.oid and not g.tgisinternal
                  and g.tgenabled in ('A', f.mode))
       or exists (select from pg_catalog.pg_rewrite as w
                   where c.relhasrules and w.ev_class = c.oid and w.rulename <> '_RETURN'
                     and w.ev_enabled in ('A', f.mode)),
       c.relispopulated
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 cross join (select case pg_catalog.current_setting('session_replication_role')
                         when 'replica' then 'R' else 'O' end as mode) as f
  left join pg_catalog.pg_class as t on t.reltoastrelid = c.oid and c.relkind = 't'
 where c.relkind in ('r', 'm', 'S', 't') and c.relpersistence <> 't'
   and ($1::oid[] is null or c.oid = any ($1::oid[]) or t.oid = any ($1::oid[]))
   -- Where the namespace is a schema: that schema, and the catalogs.
   and (coalesce(pg_catalog.current_setting('dbsafe.schema', true), '') = '' or c.oid < 16384
        or coalesce(t.relnamespace, c.relnamespace)
           = pg_catalog.to_regnamespace(pg_catalog.quote_ident(pg_catalog.current_setting('dbsafe.schema', true))))
   -- A schema that dbsafe keeps for runs of another role came along with a copy of the user's database. It is no
   -- data of the suite, and our role may not read all of it.
   and not exists (select from pg_catalog.pg_namespace as o
                    where o.oid = coalesce(t.relnamespace, c.relnamespace) and o.nspname like 'dbsafe\_%'
                      and o.nspname ~ '^dbsafe_(t_[0-9a-f]{24}|[0-9a-f]{12}_[a-z]?[0-9]+)(_[0-9]+)?$'
                      and not pg_catalog.pg_has_role(o.nspowner, 'USAGE'))
