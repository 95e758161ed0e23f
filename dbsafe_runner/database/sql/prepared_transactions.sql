-- Prepared transactions and their databases. $1: oids of the databases that count, null for all.
select p.gid, d.datname
  from pg_catalog.pg_prepared_xact() as p
  join pg_catalog.pg_database as d on d.oid = p.dbid
 where ($1::oid[] is null or d.oid = any ($1::oid[]))
   -- Where the namespace is a schema: those that have locked something in it.
   and (coalesce(pg_catalog.current_setting('dbsafe.schema', true), '') = ''
        or exists (select from pg_catalog.pg_lock_status() as o
                     join pg_catalog.pg_class as c on c.oid = o.relation
                    where o.virtualtransaction = '-1/' || p.transaction and o.locktype = 'relation'
                      and c.relnamespace = pg_catalog.to_regnamespace(
                          pg_catalog.quote_ident(pg_catalog.current_setting('dbsafe.schema', true)))))
