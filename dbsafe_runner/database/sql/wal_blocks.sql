-- Which files were written between two places in the WAL, by which transaction, and how that ended.
-- $1, $2: from and to; $3: transactions of our own, as an array of xid.
-- Lock, prune, freeze, visibility, index and hint records change no content; in-place updates of the
-- catalogs are statistics. XLOG full pages belong to new files, which the catalogs tell of.
with blocks as materialized (
    select b.reldatabase, b.relfilenode, b.xid,
           pg_catalog.bool_or(b.resource_manager = 'Sequence') as sequence,
           pg_catalog.sum(b.record_length) as size
      from pg_temp.dbsafe_wal_blocks($1, $2, false) as b
     where b.relforknumber = 0
       and (b.resource_manager = 'Sequence'
            or b.resource_manager = 'Heap' and b.record_type not in ('LOCK', 'INPLACE', 'CONFIRM')
            or b.resource_manager = 'Heap2' and b.record_type like 'MULTI\_INSERT%')
       and b.xid <> all ($3::xid[])
     group by 1, 2, 3),
epoch as (
    select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint as next)
select b.reldatabase, b.relfilenode, b.sequence, b.xid,
       coalesce(pg_catalog.pg_xact_status(
           (e.next - ((e.next - b.xid::text::bigint) & 4294967295))::text::xid8), 'committed'), b.size
  from blocks as b, epoch as e
