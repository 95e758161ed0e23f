-- What clones of a schema use where it is, in words: sessions need the schema behind the clone. $1: the schema's oid.
select format('the extension %s', extname) from pg_extension where extnamespace = $1::oid
union all select format('the operator %s', oprname) from pg_operator where oprnamespace = $1::oid
union all select format('the collation %s', collname) from pg_collation where collnamespace = $1::oid
union all select format('the operator class %s', opcname) from pg_opclass where opcnamespace = $1::oid
union all select format('the text search configuration %s', cfgname) from pg_ts_config where cfgnamespace = $1::oid
union all select format('the text search dictionary %s', dictname) from pg_ts_dict where dictnamespace = $1::oid
union all select format('the foreign table %s', relname) from pg_class where relnamespace = $1::oid and relkind = 'f'
order by 1
