-- The GRANT statements that give a large object the privileges it has. $1: its oid.
select pg_catalog.format('GRANT %s ON LARGE OBJECT %s TO %s%s', a.privilege_type, m.oid,
                         case a.grantee when 0 then 'PUBLIC'
                              else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) end,
                         case when a.is_grantable and a.grantee <> m.lomowner
                              then ' WITH GRANT OPTION' else '' end)
  from pg_catalog.pg_largeobject_metadata as m, pg_catalog.aclexplode(m.lomacl) as a
 where m.oid = $1::oid
