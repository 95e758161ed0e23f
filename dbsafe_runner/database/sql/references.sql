-- Foreign keys that lead to some tables: (table, table that it refers to, whether deleting rows there changes the
-- rows here). $1: oids of the tables referred to, as an array.
select k.conrelid, k.confrelid, k.confdeltype in ('c', 'n', 'd')
  from pg_catalog.pg_constraint as k
 where k.contype = 'f' and k.confrelid = any ($1::oid[]) and k.conrelid <> k.confrelid
