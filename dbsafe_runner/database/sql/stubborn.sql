-- Statements that silence what fires although session_replication_role is "replica", and that undo this.
-- $1: oids of tables, as an array.
select pg_catalog.format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname),
       pg_catalog.format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I', t.tgrelid::regclass,
                         case t.tgenabled when 'A' then 'ALWAYS' else 'REPLICA' end, t.tgname)
  from pg_catalog.pg_trigger as t
 where t.tgrelid = any ($1::oid[]) and t.tgenabled in ('A', 'R')
union all
select pg_catalog.format('ALTER TABLE ONLY %s DISABLE RULE %I', r.ev_class::regclass, r.rulename),
       pg_catalog.format('ALTER TABLE ONLY %s ENABLE %s RULE %I', r.ev_class::regclass,
                         case r.ev_enabled when 'A' then 'ALWAYS' else 'REPLICA' end, r.rulename)
  from pg_catalog.pg_rewrite as r
 where r.ev_class = any ($1::oid[]) and r.ev_enabled in ('A', 'R')
