"""
The one list of options: ``settings.ACCOUNTS`` as a frozen, validated dataclass.

A key of ``ACCOUNTS`` is the upper-case name of a field below. Settings are read lazily, through
``get_settings()``; the system checks and the first use share ``problems()``.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, cast, get_type_hints

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

# RFC 7518 section 3.2: a key has at least the size of the hash output, here in bytes.
HMAC_KEY_LENGTHS = {"HS256": 32, "HS384": 48, "HS512": 64}
HMAC_ALGORITHMS = frozenset(HMAC_KEY_LENGTHS)
ALGORITHMS = HMAC_ALGORITHMS | {"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"}
MIN_KEY_LENGTH = min(HMAC_KEY_LENGTHS.values())


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Options of ``accounts``; the reference is docs/auth/SETTINGS.md.

    Durations are ``timedelta``. A key left empty means what its comment says.
    """

    # Empty: derived from SECRET_KEY, for HMAC algorithms only.
    signing_key: str = field(default="", repr=False)
    algorithm: str = "HS256"
    # The public half, PEM; needed by asymmetric algorithms only.
    verifying_key: str = ""
    # Keys that still verify after a rotation; for HMAC secrets, else public PEMs.
    previous_keys: tuple[str, ...] = field(default=(), repr=False)
    issuer: str = "authsvc"
    audience: str = "authsvc"
    clock_leeway: timedelta = timedelta(seconds=10)
    access_token_lifetime: timedelta = timedelta(minutes=15)
    session_lifetime: timedelta = timedelta(days=30)
    session_idle_lifetime: timedelta = timedelta(days=14)
    refresh_grace: timedelta = timedelta(seconds=10)
    last_seen_interval: timedelta = timedelta(minutes=5)
    # Zero: no limit.
    sessions_per_user: int = 50
    user_cache_alias: str = "default"
    user_cache_ttl: timedelta = timedelta(minutes=5)
    # Further keys to delete with the user's own, each with "{user_id}" in it.
    user_cache_keys: tuple[str, ...] = ()
    # How long one act may wait for Redis in all, and how long Redis is left alone after a failure.
    redis_deadline: timedelta = timedelta(milliseconds=400)
    redis_cooldown: timedelta = timedelta(seconds=2)
    notification_channel: str = "accounts:sessions"
    # How many proxies in front of the server add to X-Forwarded-For.
    trusted_proxies: int = 0
    require_https: bool = False
    registration_open: bool = True
    rate_limits: bool = True
    # After so many failures in a row the next try has to wait: first for LOGIN_DELAY, then twice
    # as long each time, at most LOGIN_DELAY_MAX. FAILURES_FORGOTTEN_AFTER the last one all is well.
    login_failures_per_account: int = 10
    login_failures_per_address: int = 100
    login_delay: timedelta = timedelta(seconds=30)
    login_delay_max: timedelta = timedelta(minutes=15)
    failures_forgotten_after: timedelta = timedelta(hours=1)
    # Per address and hour: accounts made, and answers that an address is taken.
    registrations_per_address: int = 100
    taken_answers_per_address: int = 10
    # Per hour: mails to one account, and requests from one address.
    resets_per_account: int = 5
    resets_per_address: int = 30
    # Where a password mail's link leads, with "{uid}" and "{token}"; empty: to the page of
    # accounts.web.
    password_reset_url: str = ""
    # How long the link in a password mail is good is Django's PASSWORD_RESET_TIMEOUT.
    # Of accounts.hashers.Argon2PasswordHasher. OWASP's Password Storage Cheat Sheet has these.
    argon2_time_cost: int = 2
    argon2_memory_kib: int = 19 * 1024
    argon2_parallelism: int = 1
    # Threads of one process that hash a password at the same time; zero: one per processor.
    password_hashes_at_once: int = 0
    # How long ended sessions are kept before prune_sessions deletes them.
    session_retention: timedelta = timedelta(days=90)
    # How long prune_audit keeps the trail, and the addresses in it; zero: for ever.
    audit_retention: timedelta = timedelta(days=730)
    audit_address_retention: timedelta = timedelta(0)
    max_body_bytes: int = 256 * 1024
    # How often the row of each open WebSocket is looked at, at the least: what a lost notice costs.
    # Together with a look that takes its time it stays below the 15 seconds of the contract.
    ws_recheck_interval: timedelta = timedelta(seconds=10)
    # A client that does not take a message for so long is dropped.
    ws_send_timeout: timedelta = timedelta(seconds=5)
    # In one process; zero: no limit. Twice SESSIONS_PER_USER: a second tab for each.
    ws_sockets_per_user: int = 100
    ws_sockets_per_process: int = 10_000
    # What a client says is ignored; more messages in ten seconds, or larger ones, close its socket.
    ws_messages: int = 20
    ws_message_bytes: int = 1024


def get_settings() -> Settings:
    """Return the options in force; ImproperlyConfigured names every wrong one."""
    return _load()


@functools.cache
def _load() -> Settings:
    raw = _raw()
    if found := problems(raw):
        raise ImproperlyConfigured(" ".join(found))
    given = cast("Mapping[str, Any]", raw)
    options: dict[str, Any] = {key.lower(): _tidy(value) for key, value in given.items()}
    return Settings(**options)


def _raw() -> object:
    return getattr(django_settings, "ACCOUNTS", {})


def _tidy(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


@receiver(setting_changed)
def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting == "ACCOUNTS":
        _load.cache_clear()


def problems(raw: object = None) -> list[str]:
    """Return a sentence for each thing wrong with ``raw``; without it, with the project's."""
    raw = _raw() if raw is None else raw
    if not isinstance(raw, Mapping):
        return ["ACCOUNTS must be a dictionary."]
    kinds = {item.name.upper(): kind for item, kind in _fields()}
    found: list[str] = []
    for key, value in raw.items():
        if key not in kinds:
            found.append(f"ACCOUNTS[{key!r}] is not an option.{_guess(key, kinds)}")
        elif sentence := _wrong(key, kinds[key], _tidy(value)):
            found.append(sentence)
    return found or _wrong_together(raw)


def _fields() -> list[tuple[Any, Any]]:
    hints = get_type_hints(Settings)
    return [(item, hints[item.name]) for item in fields(Settings)]


def _guess(key: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(str(key).upper(), known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _wrong(key: str, kind: Any, value: object) -> str | None:
    if kind == tuple[str, ...]:
        good = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        return None if good else f"ACCOUNTS[{key!r}] must be a list of strings."
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return f"ACCOUNTS[{key!r}] must be a {kind.__name__}."
    if kind is int and cast("int", value) < 0:
        return f"ACCOUNTS[{key!r}] must not be negative."
    may_be_zero = key in {
        "CLOCK_LEEWAY",
        "REFRESH_GRACE",
        "REDIS_COOLDOWN",
        "AUDIT_RETENTION",
        "AUDIT_ADDRESS_RETENTION",
    }
    if kind is timedelta and not _long_enough(cast("timedelta", value), may_be_zero=may_be_zero):
        return f"ACCOUNTS[{key!r}] must be {'zero or ' if may_be_zero else ''}longer than zero."
    return None


def _long_enough(value: timedelta, *, may_be_zero: bool) -> bool:
    return value >= timedelta(0) if may_be_zero else value > timedelta(0)


def _wrong_together(raw: Mapping[str, Any]) -> list[str]:
    algorithm = raw.get("ALGORITHM", "HS256")
    if algorithm not in ALGORITHMS:
        found = [f"ACCOUNTS['ALGORITHM'] must be one of {', '.join(sorted(ALGORITHMS))}."]
    elif algorithm in HMAC_ALGORITHMS:
        found = _wrong_secrets(raw, algorithm)
    else:
        found = _wrong_pems(raw, algorithm)
    found += _wrong_argon2(raw)
    unusable = [key for key in raw.get("USER_CACHE_KEYS", ()) if not _names_user(key)]
    if unusable:
        found.append(
            "Each of ACCOUNTS['USER_CACHE_KEYS'] must contain '{user_id}', and nothing else in "
            f"braces: {', '.join(unusable)}."
        )
    return found


def _wrong_argon2(raw: Mapping[str, Any]) -> list[str]:
    """Argon2 (RFC 9106 section 3.1): a pass and a lane at least, and 8 KiB for each lane."""
    known = Settings()
    passes = raw.get("ARGON2_TIME_COST", known.argon2_time_cost)
    lanes = raw.get("ARGON2_PARALLELISM", known.argon2_parallelism)
    memory = raw.get("ARGON2_MEMORY_KIB", known.argon2_memory_kib)
    if passes >= 1 and lanes >= 1 and memory >= 8 * lanes:
        return []
    return [
        "ACCOUNTS['ARGON2_TIME_COST'] and ['ARGON2_PARALLELISM'] must be at least 1, and "
        "['ARGON2_MEMORY_KIB'] at least 8 for each lane (RFC 9106 section 3.1)."
    ]


def _wrong_secrets(raw: Mapping[str, Any], algorithm: str) -> list[str]:
    # An empty previous key is no key left out: whoever signs with nothing would be believed.
    keys = [key for key in [raw.get("SIGNING_KEY", "")] if key]
    keys += raw.get("PREVIOUS_KEYS", ())
    least = HMAC_KEY_LENGTHS[algorithm]
    if all(len(key) >= least and not _is_pem(key) for key in keys):
        return []
    return [
        "ACCOUNTS['SIGNING_KEY'] and each of ACCOUNTS['PREVIOUS_KEYS'] must be a secret of at "
        f"least {least} characters for {algorithm} (RFC 7518 section 3.2), not a PEM."
    ]


def _wrong_pems(raw: Mapping[str, Any], algorithm: str) -> list[str]:
    keys = [raw.get("SIGNING_KEY", ""), raw.get("VERIFYING_KEY", "")]
    if all(_is_pem(key) for key in [*keys, *raw.get("PREVIOUS_KEYS", ())]):
        return []
    return [
        f"ACCOUNTS needs 'SIGNING_KEY' and 'VERIFYING_KEY' for {algorithm}, and each of "
        "'PREVIOUS_KEYS' to be public, all of them as PEM."
    ]


def _is_pem(key: str) -> bool:
    return key.lstrip().startswith("-----BEGIN ")


def _names_user(key: str) -> bool:
    try:
        return "\0" in key.format(user_id="\0")
    except (LookupError, ValueError, AttributeError):
        return False
