-- Objects of a clone that lean on objects of the schema that it was cloned from, which is wrong for all that
-- has a counterpart in the clone. $1: oid of the clone; $2: of the other schema.
with own as (
    select 'pg_class'::regclass as class, oid from pg_class where relnamespace = $1::oid
    union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace = $1::oid
    union all select 'pg_type'::regclass, oid from pg_type where typnamespace = $1::oid
    union all select 'pg_rewrite'::regclass, r.oid from pg_rewrite as r join pg_class as c on c.oid = r.ev_class
               where c.relnamespace = $1::oid
    union all select 'pg_attrdef'::regclass, d.oid from pg_attrdef as d join pg_class as c on c.oid = d.adrelid
               where c.relnamespace = $1::oid
    union all select 'pg_constraint'::regclass, oid from pg_constraint where connamespace = $1::oid
    union all select 'pg_trigger'::regclass, g.oid from pg_trigger as g join pg_class as c on c.oid = g.tgrelid
               where c.relnamespace = $1::oid
    union all select 'pg_policy'::regclass, p.oid from pg_policy as p join pg_class as c on c.oid = p.polrelid
               where c.relnamespace = $1::oid),
theirs as (
    select 'pg_class'::regclass as class, oid from pg_class where relnamespace = $2::oid and relkind <> 'f'
    union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace = $2::oid
    union all select 'pg_type'::regclass, oid from pg_type where typnamespace = $2::oid)
select distinct pg_describe_object(d.classid, d.objid, 0), pg_describe_object(d.refclassid, d.refobjid, 0)
  from pg_depend as d
  join own as o on o.class = d.classid and o.oid = d.objid
  join theirs as t on t.class = d.refclassid and t.oid = d.refobjid
 where not exists (select from pg_depend as e
                    where e.classid = d.refclassid and e.deptype = 'e'
                      and e.objid in (d.refobjid, (select y.typelem from pg_type as y
                                                    where d.refclassid = 'pg_type'::regclass and y.oid = d.refobjid)))
 order by 1 limit 20
