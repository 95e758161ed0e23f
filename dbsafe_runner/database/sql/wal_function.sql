-- The function of the extension pg_walinspect, visible to this session only: a suite that lists extensions
-- or functions of its database finds nothing.
create function pg_temp.dbsafe_wal_blocks(
    in from_lsn pg_lsn, in to_lsn pg_lsn, in show_data boolean,
    out start_lsn pg_lsn, out end_lsn pg_lsn, out prev_lsn pg_lsn, out block_id int2,
    out reltablespace oid, out reldatabase oid, out relfilenode oid, out relforknumber int2,
    out relblocknumber int8, out xid xid, out resource_manager text, out record_type text,
    out record_length int4, out main_data_length int4, out block_data_length int4,
    out block_fpi_length int4, out block_fpi_info text[], out description text,
    out block_data bytea, out block_fpi_data bytea)
returns setof record as '$libdir/pg_walinspect', 'pg_get_wal_block_info' language c strict
