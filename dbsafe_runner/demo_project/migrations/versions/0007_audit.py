"""An audit log that triggers write: who changed what in customers, orders and product prices."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AUDITED = ("customers", "orders", "products")

UPGRADE = (
    """
    CREATE TABLE audit_log (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor text NOT NULL,
        table_name text NOT NULL,
        row_id bigint NOT NULL,
        action text NOT NULL,
        changes jsonb NOT NULL
    )
    """,
    """
    CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
        after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
        changed jsonb;
    BEGIN
        SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO changed
        FROM jsonb_each(CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END)
        WHERE before -> key IS DISTINCT FROM after -> key AND key NOT IN ('password_hash', 'search');
        IF TG_OP = 'UPDATE' AND changed = '{}' THEN
            RETURN NULL;
        END IF;
        INSERT INTO audit_log (actor, table_name, row_id, action, changes)
        VALUES (
            coalesce(nullif(current_setting('shop.actor', true), ''), 'system'),
            TG_TABLE_NAME, coalesce(after ->> 'id', before ->> 'id')::bigint, lower(TG_OP), changed
        );
        RETURN NULL;
    END $$
    """,
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)
    for table in AUDITED:
        op.execute(
            f"CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION write_audit()"
        )


def downgrade() -> None:
    for table in AUDITED:
        op.execute(f"DROP TRIGGER audit ON {table}")
    op.execute("DROP FUNCTION write_audit()")
    op.execute("DROP TABLE audit_log")
