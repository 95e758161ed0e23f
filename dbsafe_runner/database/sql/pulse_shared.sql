-- As pulse.sql, without what only a superuser may see, and what is of no concern where the namespace is not a
-- whole server. $1: process ids of our own sessions, as an array;
-- $2: oids of the databases whose sessions count, null for all.
select pg_catalog.pg_current_wal_insert_lsn(),
       pg_catalog.pg_current_wal_flush_lsn() >= pg_catalog.pg_current_wal_insert_lsn(),
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),
       s.sessions,
       s.open_transactions,
       '',
       '',
       (select pg_catalog.count(*) from pg_catalog.pg_prepared_xact()),
       s.last_activity,
       -- A session tells of its transactions before it is gone from the list above, from PostgreSQL 15 on.
       case when pg_catalog.current_setting('server_version_num')::int >= 150000 then
            (select pg_catalog.sum(pg_catalog.pg_stat_get_db_xact_commit(d)
                                   + pg_catalog.pg_stat_get_db_xact_rollback(d))::text
               from pg_catalog.unnest($2::oid[]) as d) end
  from (select pg_catalog.count(*) as sessions,
               pg_catalog.count(a.xact_start) filter (where (coalesce(pg_catalog.current_setting('dbsafe.schema', true), '') = ''
            or exists (select from pg_catalog.pg_lock_status() as o
                         join pg_catalog.pg_class as c on c.oid = o.relation
                        where o.pid = a.pid and o.database = a.datid and o.locktype = 'relation'
                          and c.relnamespace = pg_catalog.to_regnamespace(
                              pg_catalog.quote_ident(pg_catalog.current_setting('dbsafe.schema', true)))))) as open_transactions,
               -- Empty where nothing is tracked, and nobody knows.
               pg_catalog.max(greatest(a.query_start, a.state_change)) as last_activity
          from pg_catalog.pg_stat_get_activity(null) as a
         where a.backend_type = 'client backend' and a.pid <> all ($1::int[])
           and ($2::oid[] is null or a.datid = any ($2::oid[]))) as s
