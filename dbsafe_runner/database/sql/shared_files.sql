-- The files of the catalogs that all databases share.
select pg_catalog.pg_relation_filenode(c.oid), c.relname
  from pg_catalog.pg_class as c where c.relisshared and c.relkind = 'r'
