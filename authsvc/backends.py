"""
DATABASE_URL and REDIS_URL, turned into Django's DATABASES and CACHES. Forms of the latter::

    redis://[user:password@]host[:port][/db]                        rediss:// for TLS
    redis+sentinel://[:password@]host:port,host:port/service[/db]
    redis+cluster://[user:password@]host:port                       rediss+cluster:// for TLS

A wrong URL is told without its value, which may hold a password.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from redis.backoff import NoBackoff
from redis.retry import Retry

from authsvc import environment

SQLITE = "django.db.backends.sqlite3"
POSTGRES_SCHEMES = frozenset({"postgres", "postgresql", "psql", "pgsql"})
DATABASE_FORMS = (
    "like postgres://user:password@host:5432/name or sqlite:////absolute/path, "
    "reserved characters percent-encoded"
)
REDIS_FORMS = (
    "like redis://host:6379/0, rediss://…, redis+sentinel://host:26379,host:26379/service/0 or "
    "redis+cluster://host:6379, reserved characters percent-encoded"
)
SENTINEL_SCHEME = "redis+sentinel"
CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}

# Each of these errors has to become an answer within three seconds. The server's own limits come
# first; what PostgreSQL cannot tell because it hangs, ``authsvc.postgresql`` and the pool do.
SERVER_TIMEOUTS = (
    "-c statement_timeout=2300 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
)
POOL_TIMEOUT = 2.4


def databases() -> dict[str, dict[str, Any]]:
    """Return DATABASES; without DATABASE_URL a SQLite file under ``var/``."""
    url = environment.text("DATABASE_URL")
    if not url:
        environment.VAR_DIR.mkdir(mode=0o700, exist_ok=True)
        return {"default": _sqlite({"ENGINE": SQLITE, "NAME": environment.VAR_DIR / "db.sqlite3"})}
    try:
        scheme, place = urlsplit(url).scheme, urlsplit(url).netloc
        if scheme not in {*POSTGRES_SCHEMES, "sqlite"} or (scheme == "sqlite" and place):
            raise ValueError
        config = environ.Env.db_url_config(url)
    except ValueError:
        raise environment.wrong("DATABASE_URL", DATABASE_FORMS) from None
    # A database in memory would be another one for each thread.
    if config["NAME"] in {"", ":memory:"}:
        raise environment.wrong("DATABASE_URL", DATABASE_FORMS)
    return {"default": _sqlite(config) if scheme == "sqlite" else _postgres(config)}


def _sqlite(config: dict[str, Any]) -> dict[str, Any]:
    options = {
        # A transaction that begins by reading cannot wait for the lock when it comes to write.
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;",
        "timeout": 5,
    }
    return {**config, "OPTIONS": options | config.get("OPTIONS", {})}


def _postgres(config: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "application_name": "authsvc",
        "connect_timeout": 2,
        "tcp_user_timeout": 2500,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
    }
    if environment.flag("DATABASE_PREPARE", default=True):
        # PgBouncer before 1.21 cannot carry them from one transaction to the next.
        options |= {"server_side_binding": True, "prepare_threshold": 2}
    served = environment.text("AUTHSVC_PROCESS") == "server"
    if served:
        options |= {"options": SERVER_TIMEOUTS}
    options |= config.get("OPTIONS", {})
    if served:
        options |= {"pool": _pool()}
        config |= {"ENGINE": "authsvc.postgresql"}
    return {
        **config,
        "OPTIONS": options,
        "CONN_MAX_AGE": 0,
        # Also makes the pool check a connection before it hands it out.
        "CONN_HEALTH_CHECKS": True,
    }


def _pool() -> dict[str, Any]:
    from authsvc.postgresql import base  # noqa: PLC0415 - SQLite does without psycopg

    return {
        "connection_class": base.DeadlineConnection,
        "min_size": 1,
        "max_size": environment.database_pool_size(),
        "timeout": POOL_TIMEOUT,
        # Give up after a second try: otherwise the pool sleeps for ever longer times, and the
        # database is back long before the service is.
        "reconnect_timeout": 0.0,
        "reconnect_failed": base.connect_again,
    }


def caches() -> dict[str, dict[str, Any]]:
    """Return CACHES; without REDIS_URL the memory of this process."""
    url = environment.text("REDIS_URL")
    # The keys are shared with other services: no prefix, no version.
    shared = {"KEY_FUNCTION": "accounts.user_cache.raw_key"}
    if not url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", **shared}}
    try:
        location, options = _redis(url)
    except ValueError:
        raise environment.wrong("REDIS_URL", REDIS_FORMS) from None
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}
    return {"default": cache | shared}


def _redis(url: str) -> tuple[str, dict[str, Any]]:
    """Return the cache's LOCATION and OPTIONS; ValueError for a URL that is none of the forms."""
    parts = urlsplit(url)
    if parts.scheme == SENTINEL_SCHEME:
        return _sentinel(parts.netloc, parts.path)
    scheme = CLUSTER_SCHEMES.get(parts.scheme, parts.scheme)
    database = parts.path.strip("/")
    if scheme not in {"redis", "rediss"} or not parts.hostname or parts.port == 0:
        raise ValueError
    if parts.scheme in CLUSTER_SCHEMES:
        if database:
            raise ValueError
        factory = "authsvc.redis_cluster.ClusterConnectionFactory"
        return parts._replace(scheme=scheme).geturl(), {
            **_patience(),
            "CONNECTION_FACTORY": factory,
        }
    if database and not re.fullmatch(r"[0-9]{1,5}", database):
        raise ValueError
    return url, _patience()


def _sentinel(netloc: str, path: str) -> tuple[str, dict[str, Any]]:
    credentials, _, hosts = netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    # django-redis reads the service's name out of a URL, where a host is always in lower case.
    named = re.fullmatch(r"/([a-z0-9._-]+)(/[0-9]{1,5})?", path)
    sentinels = [urlsplit(f"//{host}") for host in hosts.split(",")]
    if not named or not all(sentinel.hostname for sentinel in sentinels):
        raise ValueError
    options = _patience()
    options |= {
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "SENTINELS": [(sentinel.hostname, sentinel.port or 26379) for sentinel in sentinels],
        "SENTINEL_KWARGS": {
            "socket_connect_timeout": options["SOCKET_CONNECT_TIMEOUT"],
            "socket_timeout": options["SOCKET_TIMEOUT"],
            **options["CONNECTION_POOL_KWARGS"],
        },
        "USERNAME": unquote(user),
        "PASSWORD": unquote(password),
    }
    return f"redis://{path.strip('/')}", options


def _patience() -> dict[str, Any]:
    """Return OPTIONS under which Redis costs a request a fraction of a second at most."""
    return {
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "PARSER_CLASS": "accounts.redis_patience.DeadlineParser",
        "SOCKET_CONNECT_TIMEOUT": 0.2,
        "SOCKET_TIMEOUT": 0.2,
        "CONNECTION_POOL_KWARGS": {
            # Otherwise redis-py tries up to three times, with pauses.
            "retry": Retry(NoBackoff(), 0),
            # RESP 2 and no driver information: a new connection costs no greetings.
            "protocol": 2,
            "driver_info": None,
        },
    }
