-- Large objects: oid, owner, privileges of others, a hash of the contents. None where the namespace is a schema:
-- they belong to the whole database.
select m.oid, pg_catalog.pg_get_userbyid(m.lomowner), m.lomacl::text,
       pg_catalog.md5(pg_catalog.lo_get(m.oid))
  from pg_catalog.pg_largeobject_metadata as m
 where coalesce(pg_catalog.current_setting('dbsafe.schema', true), '') = ''
