-- What can be known of a server in one cheap row. $1: process ids of our own sessions, as an array.
select pg_catalog.pg_current_wal_insert_lsn(),
       pg_catalog.pg_current_wal_flush_lsn() >= pg_catalog.pg_current_wal_insert_lsn(),
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),
       s.sessions,
       s.open_transactions,
       -- ALTER SYSTEM writes a file and no WAL; a physical replication slot leaves none either.
       (pg_catalog.pg_stat_file('postgresql.auto.conf', true)).modification::text
           || (pg_catalog.pg_stat_file('postgresql.auto.conf', true)).size::text,
       (select coalesce(pg_catalog.string_agg(r.slot_name, ' ' order by r.slot_name), '')
          from pg_catalog.pg_get_replication_slots() as r where not r.temporary),
       (select pg_catalog.count(*) from pg_catalog.pg_prepared_xact())
  from (select pg_catalog.count(*) as sessions,
               pg_catalog.count(a.xact_start) as open_transactions
          from pg_catalog.pg_stat_get_activity(null) as a
         where a.backend_type = 'client backend' and a.pid <> all ($1::int[])) as s
