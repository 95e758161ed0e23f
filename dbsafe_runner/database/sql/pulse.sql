-- What can be known of a server in one cheap row. $1: process ids of our own sessions, as an array;
-- $2: oids of the databases whose sessions count, null for all.
select pg_catalog.pg_current_wal_insert_lsn(),
       pg_catalog.pg_current_wal_flush_lsn() >= pg_catalog.pg_current_wal_insert_lsn(),
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),
       s.sessions,
       s.open_transactions,
       -- ALTER SYSTEM writes a file and no WAL; a physical replication slot leaves none either.
       (select pg_catalog.concat(f.modification, ' ', f.size)
          from pg_catalog.pg_stat_file('postgresql.auto.conf', true) as f),
       (select pg_catalog.string_agg(r.slot_name, ' ')
          from pg_catalog.pg_get_replication_slots() as r where not r.temporary),
       (select pg_catalog.count(*) from pg_catalog.pg_prepared_xact()),
       s.last_activity,
       ''
  from (select pg_catalog.count(*) as sessions,
               pg_catalog.count(a.xact_start) as open_transactions,
               -- Empty where nothing is tracked, and nobody knows.
               pg_catalog.max(greatest(a.query_start, a.state_change)) as last_activity
          from pg_catalog.pg_stat_get_activity(null) as a
         where a.backend_type = 'client backend' and a.pid <> all ($1::int[])
           and ($2::oid[] is null or a.datid = any ($2::oid[]))) as s
