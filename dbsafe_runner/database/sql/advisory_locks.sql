-- Advisory locks that sessions hold: (session, lock). $1: process ids of our own sessions; $2: oids of the
-- databases that count, null for all.
select l.pid, pg_catalog.concat_ws(',', l.classid, l.objid)
  from pg_catalog.pg_lock_status() as l
 where l.locktype = 'advisory' and l.granted and l.pid <> all ($1::int[])
   and ($2::oid[] is null or l.database = any ($2::oid[]))
   -- Where the namespace is a schema, nobody can tell whose they are.
   and coalesce(pg_catalog.current_setting('dbsafe.schema', true), '') = ''
