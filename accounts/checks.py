"""
System checks: what is wrong with a project's settings, and what is risky about its deployment.

An error stops every command of the project, so it is one only where nothing could work. A check
looks at settings alone and never opens a connection: it runs before there is a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings as django_settings
from django.core import checks
from django.core.cache import caches
from django.utils.module_loading import import_string

from accounts.conf import get_settings, problems

TAG = "accounts"
PARSER = "accounts.redis_patience.DeadlineParser"
BLACKLIST = "rest_framework_simplejwt.token_blacklist"
COOKIES = "django.contrib.sessions.middleware.SessionMiddleware"
# Both keep a browser's session in the database alone.
SESSION_ENGINES = ("django.contrib.sessions.backends.db", "accounts.web.session_store")
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
SESSION_ROW = "accounts.web.middleware.SessionRowMiddleware"

_Apps = Sequence[AppConfig] | None


def register() -> None:
    """Add the checks to Django's; those of a deployment run with ``check --deploy`` only."""
    for check in (check_settings, check_user_cache, check_project, check_order):
        checks.register(check, TAG)
    for check in (check_deployed_cache, check_deployed_settings):
        checks.register(check, TAG, deploy=True)


def check_settings(app_configs: _Apps = None, **_options: Any) -> list[checks.CheckMessage]:
    """E001: an option that does not exist, or a value that it cannot have."""
    hint = "Correct settings.ACCOUNTS; accounts.conf.Settings lists options, types and defaults."
    return [checks.Error(problem, hint=hint, id="accounts.E001") for problem in problems()]


def check_user_cache(app_configs: _Apps = None, **_options: Any) -> list[checks.CheckMessage]:
    """E002, E003, W004: a cache that is not there, has keys of its own, or may hang."""
    if problems():
        return []
    alias = get_settings().user_cache_alias
    if alias not in django_settings.CACHES:
        return [
            checks.Error(
                f"ACCOUNTS['USER_CACHE_ALIAS'] is {alias!r}, which is not in CACHES.",
                hint=f"Add it there, or name one of: {', '.join(django_settings.CACHES)}.",
                id="accounts.E002",
            )
        ]
    return [*_check_keys(alias), *_check_patience(alias)]


def _check_keys(alias: str) -> list[checks.CheckMessage]:
    key = "user:1"
    if (made := caches[alias].make_key(key)) == key:
        return []
    return [
        checks.Error(
            f"The cache {alias!r} keeps {key!r} under {made!r}: other services would not find it, "
            "and what they write would outlive a logout.",
            hint=f"Set CACHES[{alias!r}]['KEY_FUNCTION'] = 'accounts.user_cache.raw_key'.",
            id="accounts.E003",
        )
    ]


def _check_patience(alias: str) -> list[checks.CheckMessage]:
    cache = django_settings.CACHES[alias]
    if not cache.get("BACKEND", "").startswith("django_redis."):
        return []
    options = cache.get("OPTIONS", {})
    missing = [
        name for name in ("SOCKET_CONNECT_TIMEOUT", "SOCKET_TIMEOUT") if not options.get(name)
    ]
    if options.get("PARSER_CLASS") != PARSER:
        missing.insert(0, "PARSER_CLASS")
    if not missing:
        return []
    return [
        checks.Warning(
            f"A Redis that hangs keeps requests waiting: CACHES[{alias!r}]['OPTIONS'] lacks "
            f"{', '.join(missing)}.",
            hint=f"Set 'PARSER_CLASS': {PARSER!r}, 'SOCKET_CONNECT_TIMEOUT': 0.2 and "
            "'SOCKET_TIMEOUT': 0.2 there.",
            id="accounts.W004",
        )
    ]


def check_project(app_configs: _Apps = None, **_options: Any) -> list[checks.CheckMessage]:
    """W001, W002, W005: settings of others that weaken a logout."""
    found: list[checks.CheckMessage] = []
    if _place_of(COOKIES) >= 0 and django_settings.SESSION_ENGINE not in SESSION_ENGINES:
        found.append(
            checks.Warning(
                f"SESSION_ENGINE is {django_settings.SESSION_ENGINE!r}: a cookie that was signed "
                "out can come back, with the cache or because the browser holds all of it.",
                hint=f"Set SESSION_ENGINE = {SESSION_ENGINES[0]!r}.",
                id="accounts.W001",
            )
        )
    atomic = [
        alias
        for alias, database in django_settings.DATABASES.items()
        if database.get("ATOMIC_REQUESTS")
    ]
    if atomic:
        found.append(
            checks.Warning(
                f"ATOMIC_REQUESTS is on for {', '.join(atomic)}: a refused request rolls back what "
                "it has to leave, such as the audit event of a failed sign-in and the end of a "
                "session whose token was stolen.",
                hint="Turn it off, or decorate the views that rely on it with transaction.atomic.",
                id="accounts.W002",
            )
        )
    if any(app.startswith(BLACKLIST) for app in django_settings.INSTALLED_APPS):
        found.append(
            checks.Warning(
                f"{BLACKLIST} is installed: it stores whole refresh "
                "tokens, and nothing here uses it.",
                hint="Take it out of INSTALLED_APPS and drop its tables, unless another API of "
                "the project needs it.",
                id="accounts.W005",
            )
        )
    return found


def check_order(app_configs: _Apps = None, **_options: Any) -> list[checks.CheckMessage]:
    """E004, W009: what has to stand before or after something of Django's."""
    found: list[checks.CheckMessage] = []
    known, held = _place_of(AUTHENTICATION), _place_of(SESSION_ROW)
    if known >= 0 and held < known:
        found.append(
            checks.Error(
                f"Cookies sign people in, and {SESSION_ROW} does not stand after "
                f"{AUTHENTICATION} in MIDDLEWARE: a browser would stay signed in when its "
                "session has ended.",
                hint=f"Add {SESSION_ROW!r} right after it.",
                id="accounts.E004",
            )
        )
    names = [config.name for config in apps.get_app_configs()]
    if names.index("accounts") > names.index("django.contrib.auth"):
        found.append(
            checks.Warning(
                "accounts stands after django.contrib.auth in INSTALLED_APPS: Django's own "
                "changepassword is the one that runs, and it leaves the user's sessions as they "
                "are.",
                hint="Put 'accounts' before 'django.contrib.auth'.",
                id="accounts.W009",
            )
        )
    return found


def _place_of(path: str) -> int:
    """Return where the middleware, or one that is derived from it, stands; -1 for nowhere."""
    wanted = import_string(path)
    for place, name in enumerate(django_settings.MIDDLEWARE):
        try:
            middleware = import_string(name)
        except ImportError:
            continue  # The server says so itself.
        if isinstance(middleware, type) and issubclass(middleware, wanted):
            return place
    return -1


def check_deployed_cache(app_configs: _Apps = None, **_options: Any) -> list[checks.CheckMessage]:
    """W003: a cache of each process's own."""
    alias = "" if problems() else get_settings().user_cache_alias
    backend = django_settings.CACHES.get(alias, {}).get("BACKEND", "")
    engine = django_settings.DATABASES["default"].get("ENGINE", "")
    if not backend.endswith(".LocMemCache") or engine.endswith(".sqlite3"):
        return []
    return [
        checks.Warning(
            f"The cache {alias!r} is in the memory of one process, the database is for many: what "
            "one process clears at a logout the others keep, and none hears of another's logouts.",
            hint=f"Let CACHES[{alias!r}] be a Redis that all processes share.",
            id="accounts.W003",
        )
    ]


def check_deployed_settings(
    app_configs: _Apps = None, **_options: Any
) -> list[checks.CheckMessage]:
    """W006, W007, W008: defaults that suit development."""
    if problems():
        return []
    options = get_settings()
    found: list[checks.CheckMessage] = []
    if not options.signing_key:
        found.append(
            checks.Warning(
                "Tokens are signed with a key derived from SECRET_KEY: whoever learns that makes "
                "tokens too, and neither can be changed without the other.",
                hint="Set ACCOUNTS['SIGNING_KEY'] to random characters of its own, 32 or more.",
                id="accounts.W006",
            )
        )
    if not options.require_https:
        found.append(
            checks.Warning(
                "The API takes passwords and tokens over plain HTTP.",
                hint="Set ACCOUNTS['REQUIRE_HTTPS'] = True, and SECURE_PROXY_SSL_HEADER behind a "
                "proxy that ends TLS.",
                id="accounts.W007",
            )
        )
    if not options.rate_limits:
        found.append(
            checks.Warning(
                "Nothing limits how often somebody may guess a password.",
                hint="Set ACCOUNTS['RATE_LIMITS'] = True; off is for load tests.",
                id="accounts.W008",
            )
        )
    return found
