-- The databases of the server that can be connected to.
select oid, datname, datistemplate from pg_catalog.pg_database where datallowconn
