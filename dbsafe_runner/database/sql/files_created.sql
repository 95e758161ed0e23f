-- Whether files of relations were created between two places in the WAL. Those of temporary tables leave no
-- record. $1, $2: from and to.
select exists (select from pg_temp.dbsafe_wal_records($1, $2) as r
                where r.resource_manager = 'Storage' and r.record_type = 'CREATE')
