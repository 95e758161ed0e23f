-- Sessions that are inside a transaction. $1: process ids of our own sessions; $2: the time since which tests
-- have run, null for none; $3: oids of the databases that count, null for all.
-- "ours to end": both the session and its transaction began under the tests.
select a.pid, a.xact_start, coalesce(d.datname, ''), left(coalesce(a.query, ''), 200),
       a.backend_xid is not null
       or exists (select from pg_catalog.pg_lock_status() as l
                   where l.pid = a.pid and l.locktype = 'relation'
                     and l.mode not in ('AccessShareLock', 'RowShareLock')),
       a.backend_start > $2::timestamptz and a.xact_start > $2::timestamptz
  from pg_catalog.pg_stat_get_activity(null) as a
  left join pg_catalog.pg_database as d on d.oid = a.datid
 where a.backend_type = 'client backend' and a.xact_start is not null and a.pid <> all ($1::int[])
   and ($3::oid[] is null or a.datid = any ($3::oid[]))
   -- Where the namespace is a schema: those that have locked something in it.
   and (coalesce(pg_catalog.current_setting('dbsafe.schema', true), '') = ''
        or exists (select from pg_catalog.pg_lock_status() as o
                     join pg_catalog.pg_class as c on c.oid = o.relation
                    where o.pid = a.pid and o.database = a.datid and o.locktype = 'relation'
                      and c.relnamespace = pg_catalog.to_regnamespace(
                          pg_catalog.quote_ident(pg_catalog.current_setting('dbsafe.schema', true)))))
