-- Statements that complete the tables of a schema once they have their content: constraints, indexes,
-- triggers, rules, policies, and filled materialised views; as seen with that schema alone on search_path.
-- $1: its oid.
with relations as (
    select c.* from pg_class as c
     where c.relnamespace = $1::oid and c.relpersistence <> 't' and c.relkind in ('r', 'p', 'v', 'm')
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'))
select statement from (
    select 1 as phase, k.oid, format('ALTER TABLE ONLY %I ADD CONSTRAINT %I %s', c.relname, k.conname,
                                     pg_get_constraintdef(k.oid, true)) as statement
      from relations as c join pg_constraint as k on k.conrelid = c.oid
     where k.contype in ('p', 'u', 'x')
    union all
    select 2, k.oid, format('ALTER TABLE %I ADD CONSTRAINT %I %s', c.relname, k.conname,
                            pg_get_constraintdef(k.oid, true))
      from relations as c join pg_constraint as k on k.conrelid = c.oid
     where k.contype = 'c' and k.conislocal
    union all
    select 3, i.indexrelid, pg_get_indexdef(i.indexrelid, 0, true)
      from relations as c join pg_index as i on i.indrelid = c.oid
     where not exists (select from pg_constraint as k
                        where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
    union all
    select 4, h.inhrelid, format('ALTER INDEX %s ATTACH PARTITION %s', h.inhparent::regclass, h.inhrelid::regclass)
      from relations as c join pg_index as i on i.indrelid = c.oid
      join pg_inherits as h on h.inhrelid = i.indexrelid
    union all
    select 5, k.oid, format('ALTER TABLE %I ADD CONSTRAINT %I %s', c.relname, k.conname,
                            pg_get_constraintdef(k.oid, true))
      from relations as c join pg_constraint as k on k.conrelid = c.oid
     where k.contype = 'f' and k.conparentid = 0
    union all
    select 6, s.oid, overlay(f.definition placing '' from position(f.prefix in f.definition) for length(f.prefix))
      from pg_statistic_ext as s
     cross join lateral (select pg_get_statisticsobjdef(s.oid) as definition,
                                (select quote_ident(nspname) from pg_namespace where oid = $1::oid) || '.' as prefix
                        ) as f
     where s.stxnamespace = $1::oid
    union all
    select 7, c.oid, format('REFRESH MATERIALIZED VIEW %I', c.relname)
      from relations as c where c.relkind = 'm' and c.relispopulated
    union all
    select 8, g.oid, pg_get_triggerdef(g.oid, true)
      from relations as c join pg_trigger as g on g.tgrelid = c.oid
     where not g.tgisinternal and g.tgparentid = 0
    union all
    select 9, g.oid, format('ALTER TABLE %I %s TRIGGER %I', c.relname,
                            case g.tgenabled when 'D' then 'DISABLE' when 'R' then 'ENABLE REPLICA'
                                             else 'ENABLE ALWAYS' end, g.tgname)
      from relations as c join pg_trigger as g on g.tgrelid = c.oid
     where not g.tgisinternal and g.tgenabled <> 'O'
    union all
    select 10, r.oid, rtrim(pg_get_ruledef(r.oid, true), ';')
      from relations as c join pg_rewrite as r on r.ev_class = c.oid where r.rulename <> '_RETURN'
    union all
    select 11, p.oid, format('CREATE POLICY %I ON %I AS %s FOR %s TO %s%s%s', p.polname, c.relname,
           case when p.polpermissive then 'PERMISSIVE' else 'RESTRICTIVE' end,
           case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE'
                         when 'd' then 'DELETE' else 'ALL' end,
           (select string_agg(case when role = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(role)) end, ', ')
              from unnest(p.polroles) as role),
           ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
           ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
      from relations as c join pg_policy as p on p.polrelid = c.oid
    union all
    select 12, c.oid, format('ALTER TABLE %I %s ROW LEVEL SECURITY', c.relname, word)
      from relations as c
     cross join lateral (values ('ENABLE', c.relrowsecurity), ('FORCE', c.relforcerowsecurity)) as w (word, wanted)
     where w.wanted
    union all
    select 13, c.oid, format('ALTER TABLE %I REPLICA IDENTITY %s', c.relname,
           case c.relreplident when 'n' then 'NOTHING' when 'f' then 'FULL'
                else 'USING INDEX ' || quote_ident(i.relname) end)
      from relations as c
      left join pg_index as x on x.indrelid = c.oid and x.indisreplident
      left join pg_class as i on i.oid = x.indexrelid
     where c.relkind in ('r', 'p') and c.relreplident <> 'd'
    union all
    select 14, c.oid, format('ALTER TABLE %I CLUSTER ON %I', c.relname, i.relname)
      from relations as c join pg_index as x on x.indrelid = c.oid and x.indisclustered
      join pg_class as i on i.oid = x.indexrelid
) as statements order by phase, oid
