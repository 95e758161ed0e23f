-- Statements that grant on the objects of a schema what is granted on those of another one, as seen with
-- that schema alone on search_path. $1: its oid. What belongs to another role there, that role may use here.
with relations as (
    select c.oid, case c.relkind when 'S' then 'SEQUENCE ' else 'TABLE ' end || quote_ident(c.relname) as name,
           c.relowner as owner, c.relacl as acl
      from pg_class as c
     where c.relnamespace = $1::oid and c.relkind in ('r', 'p', 'v', 'm', 'S') and c.relpersistence <> 't'
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')),
closed as (
    select p.oid, 'ROUTINE ' || p.oid::regprocedure as name, p.proowner as owner, p.proacl as acl
      from pg_proc as p
     where p.pronamespace = $1::oid
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype in ('e', 'i'))
    union all
    select t.oid, 'TYPE ' || format_type(t.oid, null), t.typowner, t.typacl
      from pg_type as t left join pg_class as c on c.oid = t.typrelid
     where t.typnamespace = $1::oid and t.typtype in ('e', 'd', 'r', 'c') and coalesce(c.relkind, 'c') = 'c'
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_type'::regclass and e.objid = t.oid and e.deptype = 'e')),
everything as (select * from relations union all select * from closed)
select statement from (
    select 1 as phase, o.oid, format('REVOKE ALL ON %s FROM PUBLIC', o.name) as statement
      from closed as o where o.acl is not null
    union all
    select 2, o.oid, format('GRANT ALL ON %s TO %I', o.name, pg_get_userbyid(o.owner))
      from everything as o where pg_get_userbyid(o.owner) <> current_user
    union all
    select 3, o.oid, format('GRANT %s ON %s TO %s%s', a.privilege_type, o.name,
                            case when a.grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end,
                            case when a.is_grantable then ' WITH GRANT OPTION' end)
      from everything as o cross join aclexplode(o.acl) as a
     where a.grantee <> o.owner and pg_get_userbyid(a.grantee) <> current_user
    union all
    select 4, o.oid, format('GRANT %s (%I) ON %s TO %s%s', a.privilege_type, t.attname, o.name,
                            case when a.grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end,
                            case when a.is_grantable then ' WITH GRANT OPTION' end)
      from relations as o join pg_attribute as t on t.attrelid = o.oid and not t.attisdropped
     cross join aclexplode(t.attacl) as a
     where pg_get_userbyid(a.grantee) <> current_user
) as statements order by phase, oid
