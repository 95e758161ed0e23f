-- Large objects: oid, owner, privileges of others, a hash of the contents.
select m.oid, pg_catalog.pg_get_userbyid(m.lomowner), m.lomacl::text,
       pg_catalog.md5(pg_catalog.lo_get(m.oid))
  from pg_catalog.pg_largeobject_metadata as m
