-- Another function of pg_walinspect, visible to this session only.
create function pg_temp.dbsafe_wal_records(
    in from_lsn pg_lsn, in to_lsn pg_lsn,
    out start_lsn pg_lsn, out end_lsn pg_lsn, out prev_lsn pg_lsn, out xid xid,
    out resource_manager text, out record_type text, out record_length int4,
    out main_data_length int4, out fpi_length int4, out description text, out block_ref text)
returns setof record as '$libdir/pg_walinspect', 'pg_get_wal_records_info' language c strict
