-- Prepared transactions and their databases. $1: oids of the databases that count, null for all.
select p.gid, d.datname
  from pg_catalog.pg_prepared_xact() as p
  join pg_catalog.pg_database as d on d.oid = p.dbid
 where $1::oid[] is null or d.oid = any ($1::oid[])
