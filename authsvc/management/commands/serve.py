"""``manage.py serve``: the production shape."""

from __future__ import annotations

import os
import shutil
import time

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connections

from authsvc import environment, processes

# While a database starts next to the service, as with docker compose.
DATABASE_WAIT = 30.0
DATABASE_PAUSE = 0.5


class Command(BaseCommand):
    """Check, migrate, collect the static files, and serve with WORKERS processes until stopped."""

    help = "Serve on PORT with WORKERS processes of THREADS threads; MIGRATE=0 does not migrate."

    def handle(self, *args: object, **options: object) -> None:
        """Serve until a signal comes; end with the status of a server that ended by itself."""
        host, port = environment.text("HOST", "127.0.0.1"), environment.port("PORT", 8000)
        workers, threads = environment.workers(), environment.threads()
        ws_port = environment.port("WS_PORT", 8001)
        processes.require_free_port(host, port, variable="PORT")
        processes.require_free_port(host, ws_port, variable="WS_PORT")
        self._check()
        if environment.flag("MIGRATE", default=True):
            self._migrate()
        call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write(
            f"authsvc on {processes.url_of(host, port)}: {workers} processes of {threads} "
            f"threads, /ws/ on port {ws_port}, {environment.describe_backends()}, "
            f"TLS {'demanded' if settings.HTTPS else 'not demanded'}, "
            f"{settings.TRUSTED_PROXIES} trusted proxies"
        )
        self.stdout.flush()
        http = processes.granian(
            *("--interface", "wsgi", "--no-ws", "--respawn-failed-workers"),
            *("--workers", str(workers), "--blocking-threads", str(threads)),
            "authsvc.wsgi:application",
            host=host,
            port=port,
        )
        self._share_figures()
        # One process holds the sockets: it sleeps between notices, and one subscription is enough.
        sockets = processes.sockets(host=host, port=ws_port)
        if status := processes.supervise([http, sockets], cwd=settings.BASE_DIR):
            raise CommandError("A server process ended by itself.", returncode=status)

    def _share_figures(self) -> None:
        """Have the processes add up their figures in files of this run."""
        directory = environment.VAR_DIR / "metrics"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)

    def _check(self) -> None:
        call_command("check", deploy=True, fail_level="ERROR")
        if settings.HTTPS and not settings.TRUSTED_PROXIES:
            self.stderr.write(
                "SECURE_SSL_REDIRECT is on and TRUSTED_PROXIES is 0: no request can be taken for "
                "HTTPS. Say how many proxies stand in front, or set SECURE_SSL_REDIRECT=0 for a "
                "test on this machine."
            )

    def _migrate(self) -> None:
        deadline = time.monotonic() + DATABASE_WAIT
        while True:
            try:
                connections["default"].ensure_connection()
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise CommandError(f"The database cannot be reached: {error}") from error
                time.sleep(DATABASE_PAUSE)
            else:
                break
        call_command("migrate", interactive=False, verbosity=0)
        connections.close_all()
