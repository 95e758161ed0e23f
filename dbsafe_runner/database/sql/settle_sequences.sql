-- Set sequences to the values that they have. $1: their oids; $2: the values. Returns our transaction's id.
select pg_catalog.pg_current_xact_id(), pg_catalog.setval(s.oid::regclass, s.value, true)
  from rows from (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::bigint[])) as s (oid, value)
