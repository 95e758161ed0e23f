-- Statements that copy the content of a schema into the one that is first on search_path. $1: its oid.
-- Enums, composite types and such are types of their own in each schema: their values go by way of text.
with relations as (
    select c.oid, c.relname, c.relkind, n.nspname
      from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where n.oid = $1::oid and c.relkind in ('r', 'S') and c.relpersistence <> 't'
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')),
columns as (
    select a.attrelid, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as names,
           string_agg(quote_ident(a.attname) ||
                      case when o.typnamespace = $1::oid and not exists (
                                select from pg_depend as e where e.classid = 'pg_type'::regclass
                                   and e.objid = o.oid and e.deptype = 'e')
                           then '::text::' || format_type(a.atttypid, a.atttypmod) else '' end,
                      ', ' order by a.attnum) as read
      from relations as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
           and a.attgenerated = ''
      join pg_type as t on t.oid = a.atttypid
      join pg_type as o on o.oid = case when t.typcategory = 'A' and t.typelem <> 0 then t.typelem else t.oid end
     group by 1)
select statement from (
    select 1 as phase, c.oid, format('INSERT INTO %I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ONLY %I.%I',
                                     c.relname, a.names, a.read, c.nspname, c.relname) as statement
      from relations as c join columns as a on a.attrelid = c.oid where c.relkind = 'r'
    union all
    select 2, c.oid, format('SELECT pg_catalog.setval(%L::regclass, last_value, is_called) FROM %I.%I',
                            quote_ident(c.relname), c.nspname, c.relname)
      from relations as c where c.relkind = 'S'
) as statements order by phase, oid
