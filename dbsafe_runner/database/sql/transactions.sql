-- How transactions that were open at an earlier look have ended. $1: an array of xid.
with epoch as (
    select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint as next)
select x.xid,
       coalesce(pg_catalog.pg_xact_status(
           (e.next - ((e.next - x.xid::text::bigint) & 4294967295))::text::xid8), 'committed')
  from pg_catalog.unnest($1::xid[]) as x (xid), epoch as e
