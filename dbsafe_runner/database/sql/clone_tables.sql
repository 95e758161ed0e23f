-- Statements that make the sequences and tables of a schema, without constraints and content, as seen with
-- that schema alone on search_path. $1: its oid.
with relations as (
    select c.* from pg_class as c
     where c.relnamespace = $1::oid and c.relpersistence <> 't'
       and not exists (select from pg_depend as e
                        where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')),
sequences as (
    select c.oid, c.relname, d.refobjid, d.refobjsubid, d.deptype,
           format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s %s',
                  s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
                  case when s.seqcycle then 'CYCLE' else 'NO CYCLE' end) as options,
           format_type(s.seqtypid, null) as type
      from relations as c
      join pg_sequence as s on s.seqrelid = c.oid
      left join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = c.oid
           and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')),
columns as (
    select a.attrelid, a.attnum, a.attislocal,
           format('%I %s%s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                  case when a.attcollation not in (0, t.typcollation)
                       then ' COLLATE ' || a.attcollation::regcollation end,
                  case a.attgenerated
                       when 's' then format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
                       when 'v' then format(' GENERATED ALWAYS AS (%s) VIRTUAL', pg_get_expr(d.adbin, d.adrelid))
                  end,
                  -- A partition has the identity of its parent's column, before version 17 none.
                  case when a.attidentity <> '' and not c.relispartition then format(
                       ' GENERATED %s AS IDENTITY (SEQUENCE NAME %I %s)',
                       case a.attidentity when 'a' then 'ALWAYS' else 'BY DEFAULT' end, s.relname, s.options)
                  end,
                  case when a.attnotnull then coalesce(
                       (select format(' CONSTRAINT %I NOT NULL', k.conname) from pg_constraint as k
                         where k.conrelid = c.oid and k.contype = 'n' and k.conkey = array[a.attnum]),
                       ' NOT NULL') end) as definition
      from relations as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      join pg_type as t on t.oid = a.atttypid
      left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
      left join sequences as s on s.refobjid = a.attrelid and s.refobjsubid = a.attnum and s.deptype = 'i'
     where c.relkind in ('r', 'p')),
parents as (
    select i.inhrelid, string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno) as names
      from pg_inherits as i group by 1)
select statement from (
    select 1 as phase, s.oid, format('CREATE SEQUENCE %I AS %s %s', s.relname, s.type, s.options) as statement
      from sequences as s where s.deptype is distinct from 'i'
    union all
    select 2, c.oid, format('CREATE %sTABLE %I %s%s%s%s%s',
           case when c.relpersistence = 'u' then 'UNLOGGED ' end, c.relname,
           format('(%s)%s',
                  (select string_agg(definition, ', ' order by attnum) from columns as a
                    where a.attrelid = c.oid and (a.attislocal or c.relispartition or p.names is null)),
                  ' INHERITS (' || case when not c.relispartition then p.names end || ')'),
           ' PARTITION BY ' || case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end,
           ' USING ' || case when m.amname <> 'heap' then quote_ident(m.amname) end,
           ' WITH (' || array_to_string(c.reloptions, ', ') || ')',
           ' TABLESPACE ' || quote_ident(s.spcname))
      from relations as c
      left join parents as p on p.inhrelid = c.oid
      left join pg_am as m on m.oid = c.relam
      left join pg_tablespace as s on s.oid = c.reltablespace
     where c.relkind in ('r', 'p')
    union all
    -- Attached rather than made as partitions, so that they keep the order of their columns.
    select 3, c.oid, format('ALTER TABLE ONLY %s ATTACH PARTITION %I %s', p.names, c.relname,
                            pg_get_expr(c.relpartbound, c.oid))
      from relations as c join parents as p on p.inhrelid = c.oid
     where c.relispartition and c.relkind in ('r', 'p')
    union all
    select 4, c.oid, format('ALTER TABLE ONLY %I ALTER COLUMN %I SET DEFAULT %s',
                            c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid))
      from relations as c
      join pg_attribute as a on a.attrelid = c.oid and a.attgenerated = '' and not a.attisdropped
      join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where c.relkind in ('r', 'p')
    union all
    select 5, c.oid, format('ALTER TABLE ONLY %I ALTER COLUMN %I SET STORAGE %s', c.relname, a.attname,
                            case a.attstorage when 'p' then 'PLAIN' when 'e' then 'EXTERNAL'
                                              when 'm' then 'MAIN' else 'EXTENDED' end)
      from relations as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      join pg_type as t on t.oid = a.atttypid
     where c.relkind in ('r', 'p') and a.attstorage <> t.typstorage
    union all
    select 5, c.oid, format('ALTER TABLE ONLY %I ALTER COLUMN %I SET STATISTICS %s', c.relname, a.attname,
                            a.attstattarget)
      from relations as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     -- Without a target of its own it is -1, or null from PostgreSQL 17 on.
     where c.relkind in ('r', 'p') and a.attstattarget >= 0
    union all
    select 6, s.oid, format('ALTER SEQUENCE %I OWNED BY %I.%I', s.relname, c.relname, a.attname)
      from sequences as s
      join relations as c on c.oid = s.refobjid
      join pg_attribute as a on a.attrelid = c.oid and a.attnum = s.refobjsubid
     where s.deptype = 'a'
) as statements order by phase, oid
