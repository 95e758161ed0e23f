-- Advisory locks of sessions that are in no transaction: (session, lock). $1: process ids of our own sessions.
select l.pid, pg_catalog.concat_ws(',', l.classid, l.objid)
  from pg_catalog.pg_lock_status() as l
 where l.locktype = 'advisory' and l.granted and l.pid <> all ($1::int[])
