"""
The documents kept per user in the cache, under keys that other services of the estate share::

    user:{user_id}            identity: {"id", "email", "name"}
    user_profile:{user_id}    the answer of GET /auth/profile
    + ACCOUNTS["USER_CACHE_KEYS"], e.g. user_workspace:{user_id}

No prefix and no version is added (``raw_key`` is the cache's KEY_FUNCTION), values are JSON with
a time to live. Nothing here decides who is signed in: the cache may lose, keep or invent
documents, and the worst it does is to show an old name until the time to live has passed.

This is one of the two places that may fail silently: every error is logged as a warning with its
traceback and swallowed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from accounts.conf import get_settings
from accounts.exceptions import RedisLeftAlone
from accounts.metrics import CACHE, counting
from accounts.redis_patience import patience

if TYPE_CHECKING:
    from redis.client import Pipeline

logger = logging.getLogger(__name__)

IDENTITY = "user:{user_id}"
PROFILE = "user_profile:{user_id}"

Document = dict[str, Any]


def raw_key(key: str, _prefix: str, _version: int) -> str:
    """Return ``key`` itself: Django's KEY_FUNCTION for a cache shared with other services."""
    return key


def keys_of(user_id: object) -> list[str]:
    """Return every key that holds something of this user."""
    names = [IDENTITY, PROFILE, *get_settings().user_cache_keys]
    return list(dict.fromkeys(name.format(user_id=user_id) for name in names))


def remember(
    name: str, user_id: object, build: Callable[[], Document], *, fields: frozenset[str]
) -> Document:
    """
    Return the document ``name`` of the user from the cache, or build it and keep it.

    What the cache holds counts only if it is an object with exactly ``fields`` that can be sent;
    anything else that another service may have written is replaced. Without a cache the document
    is built.
    """
    found = _read(name.format(user_id=user_id))
    if isinstance(found, dict) and found.keys() == fields and _can_be_sent(found):
        return found
    document = build()
    store(name, user_id, document)
    return document


def store(name: str, user_id: object, document: Document) -> None:
    """Keep ``document`` for ``ACCOUNTS["USER_CACHE_TTL"]``. Never raises."""
    key = name.format(user_id=user_id)
    lifetime = int(get_settings().user_cache_ttl.total_seconds())
    try:
        with counting(CACHE, "write"), patience():
            _cache().set(key, document, timeout=lifetime)
    except RedisLeftAlone:
        return
    except Exception:
        logger.warning("Could not write %s to the cache", key, exc_info=True)


def clear(user_ids: Iterable[object], *, pipeline: Pipeline | None = None) -> None:
    """
    Delete every key of the users, in one round trip. Never raises.

    With ``pipeline`` the DEL is queued there and sent, and its failure reported, by whoever
    opened it (``accounts.notifications.round_trip``).
    """
    users = list(user_ids)
    keys = [key for user_id in users for key in keys_of(user_id)]
    if not keys:
        return
    try:
        if pipeline is not None:
            cast("Any", _cache()).delete_many(keys, client=pipeline)
            return
        with counting(CACHE, "clear"), patience():
            _cache().delete_many(keys)
    except RedisLeftAlone:
        logger.warning("Did not clear the cache of %s: Redis failed a moment ago", _named(users))
    except Exception:
        logger.warning("Could not clear the cache of %s", _named(users), exc_info=True)


def _read(key: str) -> object:
    try:
        with counting(CACHE, "read"), patience():
            return cast("object", _cache().get(key))
    except RedisLeftAlone:
        return None
    except Exception:
        logger.warning("Could not read %s from the cache", key, exc_info=True)
        return None


def _can_be_sent(document: Document) -> bool:
    """Python's JSON reads lone surrogates and integers of any size; what we answer has neither."""
    try:
        orjson.dumps(document)
    except orjson.JSONEncodeError:
        return False
    return True


def _cache() -> BaseCache:
    return caches[get_settings().user_cache_alias]


def _named(user_ids: Sequence[object]) -> str:
    return f"user {user_ids[0]}" if len(user_ids) == 1 else f"{len(user_ids)} users"
