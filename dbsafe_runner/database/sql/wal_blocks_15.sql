-- As wal_blocks.sql, for PostgreSQL 15, which tells the files of a record only as text: "blkref #0: rel
-- 1663/5/16384 fork main blk 0". All blocks of a heap record that are not of its main fork are its maps.
with records as materialized (
    select pg_catalog.regexp_match(r.block_ref, 'rel \d+/(\d+)/(\d+) fork main') as file, r.xid,
           r.resource_manager, r.record_length
      from pg_temp.dbsafe_wal_records($1, $2) as r
     where r.resource_manager in ('Heap', 'Heap2', 'Sequence')
       and (r.resource_manager = 'Sequence'
            or r.resource_manager = 'Heap' and r.record_type not in ('LOCK', 'INPLACE', 'CONFIRM')
            or r.resource_manager = 'Heap2' and r.record_type like 'MULTI\_INSERT%')
       and r.xid <> all ($3::xid[])),
blocks as materialized (
    select r.file[1]::oid as reldatabase, r.file[2]::oid as relfilenode, r.xid,
           pg_catalog.bool_or(r.resource_manager = 'Sequence') as sequence,
           pg_catalog.sum(r.record_length) as size
      from records as r where r.file is not null
     group by 1, 2, 3),
epoch as (
    select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint as next)
select b.reldatabase, b.relfilenode, b.sequence, b.xid,
       coalesce(pg_catalog.pg_xact_status(
           (e.next - ((e.next - b.xid::text::bigint) & 4294967295))::text::xid8), 'committed'), b.size
  from blocks as b, epoch as e
