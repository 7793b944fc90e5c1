"""
Let the database itself refuse to revive or edit a session that has ended.

SQLite drops a table's triggers when a later migration remakes the table: such a migration has to
run ``protect`` again.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

POSTGRESQL = """
CREATE FUNCTION user_sessions_refuse_to_change_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an ended session is never revived and never edited'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'user_sessions_end_is_final';
END
$$;
CREATE TRIGGER user_sessions_end_is_final BEFORE UPDATE ON user_sessions
    FOR EACH ROW WHEN (NOT OLD.is_active)
    EXECUTE FUNCTION user_sessions_refuse_to_change_ended();
"""
POSTGRESQL_BACK = """
DROP TRIGGER user_sessions_end_is_final ON user_sessions;
DROP FUNCTION user_sessions_refuse_to_change_ended();
"""
SQLITE = """
CREATE TRIGGER user_sessions_end_is_final BEFORE UPDATE ON user_sessions
    FOR EACH ROW WHEN NOT OLD.is_active
BEGIN
    SELECT RAISE(ABORT, 'an ended session is never revived and never edited');
END
"""
SQLITE_BACK = "DROP TRIGGER user_sessions_end_is_final"


def protect(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements = {"postgresql": POSTGRESQL, "sqlite": SQLITE}
    schema_editor.execute(statements[schema_editor.connection.vendor])


def unprotect(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements = {"postgresql": POSTGRESQL_BACK, "sqlite": SQLITE_BACK}
    schema_editor.execute(statements[schema_editor.connection.vendor])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_counters_of_attempts")]

    operations = [migrations.RunPython(protect, unprotect)]
