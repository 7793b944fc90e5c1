"""
Let the database itself refuse to change or delete what the audit trail says.

``accounts.audit.retention`` alone lifts that, for one transaction: on PostgreSQL by a setting, on
SQLite by a function that other connections do not have or that says no.

SQLite drops a table's triggers when a later migration remakes the table: such a migration has to
run ``protect`` again.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

POSTGRESQL = """
CREATE FUNCTION audit_events_refuse_to_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_events_append_only';
END
$$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW WHEN (current_setting('accounts.audit_retention', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_events_refuse_to_change();
"""
POSTGRESQL_BACK = """
DROP TRIGGER audit_events_append_only ON audit_events;
DROP FUNCTION audit_events_refuse_to_change();
"""
SQLITE = [
    f"""
    CREATE TRIGGER audit_events_append_only_{verb.lower()} BEFORE {verb} ON audit_events
        FOR EACH ROW WHEN NOT accounts_audit_retention()
    BEGIN
        SELECT RAISE(ABORT, 'the audit trail is append-only');
    END
    """
    for verb in ("UPDATE", "DELETE")
]
SQLITE_BACK = [
    "DROP TRIGGER audit_events_append_only_update",
    "DROP TRIGGER audit_events_append_only_delete",
]


def protect(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements = {"postgresql": [POSTGRESQL], "sqlite": SQLITE}
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def unprotect(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements = {"postgresql": [POSTGRESQL_BACK], "sqlite": SQLITE_BACK}
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_an_ended_session_stays_ended")]

    operations = [migrations.RunPython(protect, unprotect)]
