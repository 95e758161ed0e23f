-- What a clone of a schema cannot have, in words: (whether a clone would be wrong, what). $1: the schema's oid;
-- $2: names by which its objects would reach out of the clone, as an array.
with source as (select oid, nspname from pg_namespace where oid = $1::oid)
select true, format('the function %s names its schema (%s.) in its body, and would work there', p.oid::regprocedure, n.name)
  from pg_proc as p, unnest($2::text[]) as n (name), pg_language as l
 where p.pronamespace = $1::oid and l.oid = p.prolang and l.lanname not in ('c', 'internal')
   and p.prosrc ~* ('(^|[^[:alnum:]_$."])("' || n.name || '"|' || n.name || ')[[:space:]]*\.[[:space:]]*["[:alpha:]_]')
   and not exists (select from pg_depend as e
                    where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype in ('e', 'i'))
union all
select true, format('%s is a table of a composite type', c.relname)
  from pg_class as c where c.relnamespace = $1::oid and c.reloftype <> 0
union all
select true, format('%s is a base type of its own', t.typname)
  from pg_type as t
 where t.typnamespace = $1::oid and t.typtype in ('b', 'p') and t.typcategory <> 'A' and t.typisdefined
   and not exists (select from pg_depend as e
                    where e.classid = 'pg_type'::regclass and e.objid = t.oid and e.deptype = 'e')
union all
select true, format('%s is an aggregate over ordered sets', p.oid::regprocedure)
  from pg_proc as p join pg_aggregate as a on a.aggfnoid = p.oid
 where p.pronamespace = $1::oid and a.aggkind <> 'n'
   and not exists (select from pg_depend as e
                    where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype in ('e', 'i'))
union all
select true, format('the tables %s and %s, in different schemas, are tied by %s', k.conrelid::regclass,
                    k.confrelid::regclass, k.conname)
  from pg_constraint as k
  join pg_class as c on c.oid = k.conrelid join pg_class as f on f.oid = k.confrelid
 where k.contype = 'f' and f.relnamespace = $1::oid and c.relnamespace <> f.relnamespace
   and c.relnamespace not in (select oid from pg_namespace where nspname like 'dbsafe\_%')
union all
select false, format('the foreign table %s is not cloned: all workers share it', c.relname)
  from pg_class as c where c.relnamespace = $1::oid and c.relkind = 'f'
union all
select false, format('the %s %s is not cloned: all workers share it', kind, name)
  from (select 'operator' as kind, oprname as name, oprnamespace as schema, 'pg_operator'::regclass as class, oid from pg_operator
        union all select 'collation', collname, collnamespace, 'pg_collation'::regclass, oid from pg_collation
        union all select 'conversion', conname, connamespace, 'pg_conversion'::regclass, oid from pg_conversion
        union all select 'operator class', opcname, opcnamespace, 'pg_opclass'::regclass, oid from pg_opclass
        union all select 'text search configuration', cfgname, cfgnamespace, 'pg_ts_config'::regclass, oid from pg_ts_config
        union all select 'text search dictionary', dictname, dictnamespace, 'pg_ts_dict'::regclass, oid from pg_ts_dict
       ) as others
 where schema = $1::oid
   and not exists (select from pg_depend as e
                    where e.classid = others.class and e.objid = others.oid and e.deptype = 'e')
union all
select false, format('the publication %s does not have the tables of the clones', string_agg(distinct p.pubname, ', '))
  from pg_publication as p join pg_publication_rel as r on r.prpubid = p.oid
  join pg_class as c on c.oid = r.prrelid and c.relnamespace = $1::oid
having count(*) > 0
union all
select false, format('default privileges in the schema are not cloned where they are those of %s',
                     string_agg(distinct pg_get_userbyid(defaclrole), ', '))
  from pg_default_acl where defaclnamespace = $1::oid and not pg_has_role(defaclrole, 'USAGE')
having count(*) > 0
union all
select false, format('the schemas beside it are not cloned, all workers share them: %s', string_agg(n.nspname, ', '))
  from pg_namespace as n
 where n.oid <> $1::oid and n.nspname !~ '^(pg_|information_schema$|dbsafe_)'
   and exists (select from pg_class as c where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'S'))
having count(*) > 0
