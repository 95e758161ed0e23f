-- Statements that silence what fires in our sessions even so, and that undo this. In these,
-- session_replication_role is "replica" where our role may set that. $1: oids of tables, as an array.
with fires as (
    select case pg_catalog.current_setting('session_replication_role') when 'replica' then 'R' else 'O' end as mode)
select pg_catalog.format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname),
       pg_catalog.format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I', t.tgrelid::regclass,
                         case t.tgenabled when 'A' then 'ALWAYS' when 'R' then 'REPLICA' end, t.tgname)
  from pg_catalog.pg_trigger as t, fires as f
 where t.tgrelid = any ($1::oid[]) and t.tgenabled in ('A', f.mode) and not t.tgisinternal
union all
select pg_catalog.format('ALTER TABLE ONLY %s DISABLE RULE %I', r.ev_class::regclass, r.rulename),
       pg_catalog.format('ALTER TABLE ONLY %s ENABLE %s RULE %I', r.ev_class::regclass,
                         case r.ev_enabled when 'A' then 'ALWAYS' when 'R' then 'REPLICA' end, r.rulename)
  from pg_catalog.pg_rewrite as r, fires as f
 where r.ev_class = any ($1::oid[]) and r.ev_enabled in ('A', f.mode)
