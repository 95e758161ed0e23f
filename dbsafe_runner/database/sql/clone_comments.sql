-- Statements that repeat the comments on the objects of a schema, as seen with that schema alone on
-- search_path. $1: its oid.
with said as (
    select d.* from pg_description as d
     where not exists (select from pg_depend as e
                        where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e'))
select format('COMMENT ON %s IS %L', name, description) as statement from (
    select case c.relkind when 'S' then 'SEQUENCE' when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW'
                          when 'i' then 'INDEX' when 'I' then 'INDEX' when 'c' then 'TYPE' else 'TABLE' end
           || ' ' || quote_ident(c.relname) as name, d.description
      from said as d join pg_class as c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
     where c.relnamespace = $1::oid and d.objsubid = 0
    union all
    select format('COLUMN %I.%I', c.relname, a.attname), d.description
      from said as d join pg_class as c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
      join pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid
     where c.relnamespace = $1::oid and d.objsubid > 0
    union all
    select 'ROUTINE ' || p.oid::regprocedure, d.description
      from said as d join pg_proc as p on p.oid = d.objoid and d.classoid = 'pg_proc'::regclass
     where p.pronamespace = $1::oid
    union all
    select 'TYPE ' || format_type(t.oid, null), d.description
      from said as d join pg_type as t on t.oid = d.objoid and d.classoid = 'pg_type'::regclass
     where t.typnamespace = $1::oid
    union all
    select format('CONSTRAINT %I ON %I', k.conname, c.relname), d.description
      from said as d join pg_constraint as k on k.oid = d.objoid and d.classoid = 'pg_constraint'::regclass
      join pg_class as c on c.oid = k.conrelid
     where c.relnamespace = $1::oid
    union all
    select format('TRIGGER %I ON %I', g.tgname, c.relname), d.description
      from said as d join pg_trigger as g on g.oid = d.objoid and d.classoid = 'pg_trigger'::regclass
      join pg_class as c on c.oid = g.tgrelid
     where c.relnamespace = $1::oid
    union all
    select format('POLICY %I ON %I', p.polname, c.relname), d.description
      from said as d join pg_policy as p on p.oid = d.objoid and d.classoid = 'pg_policy'::regclass
      join pg_class as c on c.oid = p.polrelid
     where c.relnamespace = $1::oid
) as comments
