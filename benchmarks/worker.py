"""
One contender in one process: ``python -m benchmarks.worker WHAT NAME …``, WHAT being
``prepare``, ``measure``, ``logout`` or ``refresh``.

What it finds is printed as one line of JSON. Requests enter where a WSGI server would hand them
over, and are closed as it would close them.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import acts
from benchmarks.callgrind import counting
from benchmarks.contenders import BY_NAME, EMAIL, HOST, Contender, Headers


def main() -> None:
    """Do what the command line says and print what was found."""
    what, name, *arguments = sys.argv[1:]
    acts: dict[str, Callable[..., object]] = {
        "prepare": prepare,
        "measure": measure,
        "logout": end_sessions,
        "refresh": refresh,
    }
    print(json.dumps(acts[what](BY_NAME[name], *arguments)))


def prepare(contender: Contender) -> Headers:
    """Make the database and sign somebody in; return the headers of their requests."""
    _setup(contender)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return contender.sign_in(_somebody(contender))


def measure(contender: Contender, headers: str, times: str) -> dict[str, Any]:
    """Send so many requests, counted by callgrind where it runs; return what they cost besides."""
    application = _application(contender)
    ask = asker(application, contender.path, json.loads(headers))
    if contender.first:
        ask = _forgetting(ask)
    for _each in range(acts.WARM_UP):
        ask()
    return {
        "statements": _statements(ask),
        "cpu": _cpu(ask, int(times)),
        "memory": memory(),
        "answer": ask().decode(),
    }


def end_sessions(contender: Contender, count: str, times: str) -> dict[str, Any]:
    """Return the median of what it costs to sign out of so many sessions, so many times."""
    send, user = sender(_application(contender)), _somebody(contender)
    for _each in range(acts.WARM_UP):
        send("POST", "/auth/logout", contender.sign_in(user), b"{}")
    tries = [acts.logout(contender, send, user, int(count)) for _try in range(int(times))]
    return tries[0] | {"cpu": statistics.median(found["cpu"] for found in tries)}


def refresh(contender: Contender, times: str) -> dict[str, Any]:
    """Return what a refresh costs."""
    send = sender(_application(contender))
    return acts.refresh(contender, send, _somebody(contender), int(times))


def asker(application: Callable[..., Any], path: str, headers: Headers) -> Callable[[], bytes]:
    """Return what sends one GET and returns the body; anything but a 200 is an error."""
    send = sender(application)
    return lambda: send("GET", path, headers, b"")


def sender(application: Callable[..., Any]) -> acts.Send:
    """Return what sends a request and returns the body; AssertionError unless it went well."""
    statuses: list[str] = []

    def start_response(status: str, _headers: object, _error: object = None) -> None:
        statuses.append(status)

    def send(method: str, path: str, headers: Headers, content: bytes) -> bytes:
        facts = _environ(path, headers) | {"REQUEST_METHOD": method}
        if content:
            facts |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(content))}
            facts["wsgi.input"] = io.BytesIO(content)
        response = application(facts, start_response)
        body = b"".join(response)
        response.close()
        if not statuses.pop().startswith("2"):
            raise AssertionError(body)
        return body

    return send


def _forgetting(ask: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return ``ask`` for a process that has never seen the token that it brings."""
    from accounts import tokens

    def forget_and_ask() -> bytes:
        tokens._genuine.cache_clear()
        return ask()

    return forget_and_ask


def memory() -> float:
    """Return the MB of this process that no other process shares (PSS)."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def _somebody(contender: Contender) -> Any:
    from django.contrib.auth import get_user_model

    manager: Any = get_user_model()._default_manager
    user = manager.filter(email=EMAIL).first()
    if user is None:
        names = {} if contender.ours else {"username": EMAIL}
        user = manager.create_user(email=EMAIL, password="correct horse battery", **names)
    return user


def _environ(path: str, headers: Headers) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": HOST,
        "HTTP_ACCEPT": "application/json",
        "HTTP_USER_AGENT": "okhttp/4.12.0",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_X_FORWARDED_FOR": "192.0.2.1",
        "HTTP_X_FORWARDED_PROTO": "https",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **headers,
    }


def _cpu(ask: Callable[[], object], times: int) -> float:
    """Return the CPU time of one request in microseconds."""
    begun = time.process_time()
    with counting():
        for _each in range(times):
            ask()
    return (time.process_time() - begun) / times * 1e6


def _statements(ask: Callable[[], object]) -> int:
    from django.db import connection

    found = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal found
        found += 1
        return execute(*arguments)

    with connection.execute_wrapper(count):
        ask()
    return found


def _application(contender: Contender) -> Callable[..., Any]:
    if contender.ours:
        from authsvc.wsgi import application

        return application
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _setup(contender: Contender) -> None:
    import django
    import psycopg
    from django.conf import settings

    name = settings.DATABASES["default"]["NAME"]
    facts = settings.DATABASES["default"]
    with psycopg.connect(
        host=facts["HOST"],
        port=facts["PORT"] or 5432,
        user=facts["USER"],
        password=facts["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if known.fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')
    django.setup()


if __name__ == "__main__":
    main()
