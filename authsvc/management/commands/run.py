"""``manage.py run``: everything in one process, on a machine that has nothing but Python."""

from __future__ import annotations

from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.db import connections

from authsvc import environment, processes

BANNER = """\
authsvc on {url} with {backends}

  {url}/account/login   sign in with a browser
  {url}/api/docs        try the API
  {url}/admin/          after: .venv/bin/python manage.py createsuperuser

Register, sign in and sign out everywhere:

  curl -s {url}/auth/register {json} '{person}'
  TOKEN=$(curl -s {url}/auth/login {json} '{person}' \\
    | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
  curl -s -X POST {url}/auth/logout -H "Authorization: Bearer $TOKEN"

Ctrl-C stops it.
"""
JSON = "-H 'Content-Type: application/json' -d"
PERSON = '{"email": "ada@example.com", "password": "correct horse battery"}'


class Command(BaseCommand):
    """Migrate, say what to try, and serve with one ASGI process on HOST and PORT."""

    help = "Migrate and serve everything in one process on PORT (8000); keys are made in var/."

    def handle(self, *args: object, **options: object) -> None:
        """Become the server; CommandError when the port is taken."""
        host, port = environment.text("HOST", "127.0.0.1"), environment.port("PORT", 8000)
        processes.require_free_port(host, port, variable="PORT")
        call_command("migrate", interactive=False, verbosity=0)
        connections.close_all()
        url = processes.url_of(host, port)
        backends = environment.describe_backends()
        self.stdout.write(BANNER.format(url=url, backends=backends, person=PERSON, json=JSON))
        command = processes.granian(
            *("--interface", "asginl", "--workers", "1", "authsvc.asgi:application"),
            host=host,
            port=port,
            grace=2,
        )
        processes.replace_by(command, cwd=settings.BASE_DIR)
