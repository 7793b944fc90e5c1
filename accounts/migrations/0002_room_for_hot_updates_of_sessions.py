"""
Leave room in the pages of user_sessions, so that noting a use, a refresh and the end of a session
are HOT updates: the new version of the row fits beside the old one and no index is touched.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def leave_room(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE user_sessions SET (fillfactor = 85)")


def fill_up(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE user_sessions RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_people_sessions_and_trail")]

    operations = [migrations.RunPython(leave_room, fill_up)]
