-- Names of databases ("d") and roles ("r"). $1: oids, as an array.
select 'database', d.datname, d.oid from pg_catalog.pg_database as d where d.oid = any ($1::oid[])
union all
select 'role', r.rolname, r.oid from pg_catalog.pg_authid as r where r.oid = any ($1::oid[])
