-- What catalog rows stand for: kind and quoted name. Parts of other objects, and what PostgreSQL makes and
-- drops by itself, are left out. $1, $2: catalogs and oids, as arrays.
select i.type, i.identity
  from rows from (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::oid[])) as r (catalog, oid),
       pg_catalog.pg_identify_object(r.catalog, r.oid, 0) as i
 where i.identity is not null
   and not exists (
       select from pg_catalog.pg_depend as d
        where d.classid = r.catalog and d.objid = r.oid and d.objsubid = 0 and d.deptype in ('i', 'P', 'S', 'e'))
   and i.type not in ('toast table', 'default value', 'table constraint')
   and not (r.catalog = 'pg_catalog.pg_type'::pg_catalog.regclass
            and exists (select from pg_catalog.pg_type as t where t.oid = r.oid and t.typelem <> 0 and t.typlen = -1))
 order by r.oid
