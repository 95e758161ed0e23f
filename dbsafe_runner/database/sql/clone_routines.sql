-- Statements that make the functions, aggregates and views of a schema, as seen with that schema alone on
-- search_path. $1: its oid.
with routines as (
    select p.* from pg_proc as p
     where p.pronamespace = $1::oid
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype in ('e', 'i'))),
views as (
    select c.* from pg_class as c
     where c.relnamespace = $1::oid and c.relkind in ('v', 'm') and c.relpersistence <> 't'
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'))
select statement from (
    -- Its own name is the one that pg_get_functiondef qualifies whatever the search_path is.
    select 1 as phase, p.oid,
           overlay(f.definition placing '' from position(f.prefix in f.definition) for length(f.prefix))
               as statement
      from routines as p
     cross join lateral (select pg_get_functiondef(p.oid) as definition,
                                quote_ident((select nspname from pg_namespace where oid = $1::oid)) || '.' as prefix where p.prokind <> 'a'
                        ) as f
    union all
    select 2, p.oid, format('CREATE AGGREGATE %I(%s) (SFUNC = %s, STYPE = %s%s%s%s)', p.proname,
           case when p.pronargs = 0 then '*' else pg_get_function_arguments(p.oid) end,
           a.aggtransfn, format_type(a.aggtranstype, null),
           ', FINALFUNC = ' || nullif(a.aggfinalfn::oid, 0)::regproc,
           ', COMBINEFUNC = ' || nullif(a.aggcombinefn::oid, 0)::regproc,
           ', INITCOND = ' || quote_literal(a.agginitval))
      from routines as p join pg_aggregate as a on a.aggfnoid = p.oid where a.aggkind = 'n'
    union all
    select 3, c.oid, format('CREATE %sVIEW %I%s AS %s%s', case when c.relkind = 'm' then 'MATERIALIZED ' end,
           c.relname, ' WITH (' || array_to_string(c.reloptions, ', ') || ')',
           rtrim(pg_get_viewdef(c.oid), '; '), case when c.relkind = 'm' then ' WITH NO DATA' end)
      from views as c
) as statements order by phase, oid
