-- Blocks in the files of relations. $1: oids, as an array.
select r.oid, pg_catalog.pg_relation_size(r.oid) / 8192 from pg_catalog.unnest($1::oid[]) as r (oid)
