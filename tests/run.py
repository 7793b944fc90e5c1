"""
``make test``: the whole suite without any service, and once more over PostgreSQL and Redis.

The second run happens when both can be used: at TEST_DATABASE_URL and TEST_REDIS_URL, else at
DATABASE_URL and REDIS_URL, else on this machine. It makes a PostgreSQL database of its own, and
empties the Redis database that TEST_REDIS_URL names, else the ninth. With REQUIRE_SERVICES=1 it is
a failure when they are missing.
Only the two runs together must cover every branch.

With SECOND_TRY=1, as .ci/run sets it, up to three tests that failed are run once more, by
themselves, as CPython's own runner does: a shared machine that stands still for seconds fails
tests that wait for real processes. Each is named at the end, for somebody to look at; one that
fails again is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
DATABASE_URL = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS_URL = "redis://127.0.0.1:6379/9"
EMBEDDED = "not (postgres or redis or services or browser)"
SERVICES = "not browser"
SECOND_TRIES = 3
# What would change the tests' outcome when it is set in the developer's shell.
OURS = frozenset(
    {
        "ALLOWED_HOSTS",
        "CORS_ALLOWED_ORIGINS",
        "CSRF_TRUSTED_ORIGINS",
        "AUTHSVC_PROCESS",
        "AUTHSVC_STATIC",
        "AUTHSVC_THROWAWAY_KEYS",
        "DATABASE_POOL_SIZE",
        "DATABASE_PREPARE",
        "DATABASE_URL",
        "DEBUG",
        "EMAIL_FROM",
        "EMAIL_URL",
        "HOST",
        "JWT_ALGORITHM",
        "JWT_PREVIOUS_KEYS",
        "JWT_SIGNING_KEY",
        "JWT_VERIFYING_KEY",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "METRICS_TOKEN",
        "MIGRATE",
        "PORT",
        "RATE_LIMITS",
        "REDIS_URL",
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "SECURE_SSL_REDIRECT",
        "THREADS",
        "TRUSTED_PROXIES",
        "WORKERS",
        "WS_PORT",
        "DJANGO_SETTINGS_MODULE",
    }
)


def main(arguments: list[str]) -> int:
    """Run the tests that can be run; return 0 when all of them passed."""
    database_url, redis_url = url("DATABASE_URL", DATABASE_URL), spare_redis()
    missing = missing_services(database_url, redis_url)
    if missing and os.environ.get("REQUIRE_SERVICES") == "1":
        print(f"REQUIRE_SERVICES=1, and {' and '.join(missing)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        # Of its own, so that two runs at a time do not take each other's data.
        os.environ["COVERAGE_FILE"] = str(Path(directory) / "coverage")
        return run_both(database_url, redis_url, missing, arguments)


def run_both(database_url: str, redis_url: str, missing: list[str], arguments: list[str]) -> int:
    """Run the suite over nothing, then over the services, and look at the coverage of both."""
    failed = pytest("SQLite and the cache in memory", EMBEDDED, {}, arguments)
    if missing:
        print(f"\nNot run: the tests over PostgreSQL and Redis, because {' and '.join(missing)}.")
        return failed
    services = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    failed |= pytest("PostgreSQL and Redis", SERVICES, services, arguments)
    if failed or arguments:
        return failed
    run("coverage", "combine", "--quiet")
    return run("coverage", "report", "--show-missing")


def url(name: str, default: str) -> str:
    """Return the service's address."""
    return os.environ.get(f"TEST_{name}") or os.environ.get(name) or default


def spare_redis() -> str:
    """Return the Redis whose database the tests may empty: of REDIS_URL's server, the ninth."""
    if os.environ.get("TEST_REDIS_URL") or not os.environ.get("REDIS_URL"):
        return url("REDIS_URL", REDIS_URL)
    return urlsplit(os.environ["REDIS_URL"])._replace(path="/9").geturl()


def missing_services(database_url: str, redis_url: str) -> list[str]:
    """Return a clause for each service that cannot be used, without its URL's password."""
    missing = []
    try:
        psycopg.connect(database_url, connect_timeout=3).close()
    except psycopg.Error as error:
        missing.append(f"PostgreSQL cannot be used ({first_line(error)})")
    try:
        with redis.Redis.from_url(redis_url, socket_timeout=3) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        missing.append(f"Redis cannot be used ({first_line(error)})")
    return missing


def first_line(error: Exception) -> str:
    """Return what the error says first."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def pytest(over: str, selection: str, services: Mapping[str, str], arguments: list[str]) -> int:
    """Run pytest, with coverage unless arguments choose some tests; return 0 or 1."""
    print(f"\nTests over {over}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment |= {"AUTHSVC_ENV_FILE": "", **services}
    tool = ["pytest"] if arguments else ["coverage", "run", "-m", "pytest"]
    with tempfile.TemporaryDirectory() as cache:
        command = (*tool, "--quiet", "-m", selection, "-o", f"cache_dir={cache}", *arguments)
        failed = run(*command, environment=environment)
        names = failures(Path(cache)) if failed and os.environ.get("SECOND_TRY") == "1" else []
        if not 0 < len(names) <= SECOND_TRIES:
            return failed
        print(f"\nOnce more, by themselves, over {over}:", *names, sep="\n  ", flush=True)
        failed = run(*command, "--last-failed", environment=environment)
    print("Failed twice." if failed else "Failed once, and passed alone: look at them.", flush=True)
    return failed


def failures(cache: Path) -> list[str]:
    """Return the tests that failed in the run that this is the cache of."""
    path = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(path.read_text())) if path.exists() else []


def run(*command: str, environment: Mapping[str, str] | None = None) -> int:
    """Run a Python module in the repository's root; return 0 or 1."""
    return int(
        subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False
        ).returncode
        != 0
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
