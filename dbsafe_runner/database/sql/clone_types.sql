-- Statements that make the types of a schema, as seen with that schema alone on search_path. $1: its oid.
with types as (
    select t.* from pg_type as t
     where t.typnamespace = $1::oid
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_type'::regclass and e.objid = t.oid and e.deptype = 'e'))
select statement from (
    select 1 as phase, t.oid, format('CREATE TYPE %I AS ENUM (%s)', t.typname,
           (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
              from pg_enum as e where e.enumtypid = t.oid)) as statement
      from types as t where t.typtype = 'e'
    union all
    select 2, t.oid, format('CREATE TYPE %I AS (%s)', t.typname,
           (select string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                              case when a.attcollation not in (0, b.typcollation)
                                   then ' COLLATE ' || a.attcollation::regcollation end),
                              ', ' order by a.attnum)
              from pg_attribute as a join pg_type as b on b.oid = a.atttypid
             where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped))
      from types as t join pg_class as c on c.oid = t.typrelid where c.relkind = 'c'
    union all
    select 3, t.oid, format('CREATE TYPE %I AS RANGE (SUBTYPE = %s%s%s)', t.typname,
           format_type(r.rngsubtype, null),
           case when r.rngcollation <> 0 then ', COLLATION = ' || r.rngcollation::regcollation end,
           case when r.rngsubdiff <> 0 then ', SUBTYPE_DIFF = ' || r.rngsubdiff end)
      from types as t join pg_range as r on r.rngtypid = t.oid
    union all
    select 4, t.oid, format('CREATE DOMAIN %I AS %s%s%s%s%s', t.typname,
           format_type(t.typbasetype, t.typtypmod),
           case when t.typcollation not in (0, b.typcollation)
                then ' COLLATE ' || t.typcollation::regcollation end,
           ' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0),
           case when t.typnotnull then ' NOT NULL' end,
           (select string_agg(format(' CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), '')
              from pg_constraint as k where k.contypid = t.oid and k.contype = 'c'))
      from types as t join pg_type as b on b.oid = t.typbasetype where t.typtype = 'd'
) as statements order by phase, oid
