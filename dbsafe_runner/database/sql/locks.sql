-- Tables and sequences that transactions other than ours have locked for writing or more, or wait to lock.
-- $1: process ids of our own sessions, as an array. A prepared transaction has no process.
select l.database, l.relation, pg_catalog.bool_or(l.mode = 'AccessExclusiveLock')
  from pg_catalog.pg_lock_status() as l
 where l.locktype = 'relation' and l.database <> 0
   and (l.pid is null or l.pid <> all ($1::int[]))
   and l.mode not in ('AccessShareLock', 'RowShareLock')
 group by 1, 2
