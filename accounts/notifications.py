"""
Telling the other devices that a user's sessions have changed.

A notice is a hint, never a verdict: it carries a user's key and nothing else, and whoever hears
it asks the database which sessions are gone. With Redis it is::

    PUBLISH <ACCOUNTS["NOTIFICATION_CHANNEL"]> <user_id>

in the same round trip as the DEL of the user's cache; without Redis it is a call to every
listener of this process. ``hear`` is the other end, the same for both.

This is the other place that may fail silently: errors are logged as warnings with their
traceback and swallowed. A lost notice is made up for by the listeners' own regular look.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django_redis import get_redis_connection
from redis import asyncio as redis_asyncio
from redis import connection as redis_connection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.sentinel import SentinelConnectionPool

from accounts.conf import get_settings
from accounts.exceptions import RedisLeftAlone
from accounts.metrics import NOTICES, counting
from accounts.redis_patience import patience

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

logger = logging.getLogger(__name__)

Listener = Callable[[str], None]
_listeners: list[Listener] = []

# Seconds. Nobody waits for the subscription, so it has more patience than a request; a
# subscription that has been silent for long is asked whether it is still there.
_PATIENCE = 2.0
_SILENCE = 5.0
_FIRST_PAUSE = 0.1
_LAST_PAUSE = 2.0
_BETWEEN_WARNINGS = 60.0
# What a subscriber takes from the cache's connections, besides what concerns TLS: where Redis is
# and who asks. The rest is patience, of which it has its own.
_PLACE = {"host", "port", "path", "db", "username", "password", "credential_provider"}


@contextlib.contextmanager
def round_trip() -> Iterator[Pipeline | None]:
    """
    Yield a pipeline that is sent as one round trip when the block is left; None without Redis.

    Never raises: a failure to send is logged, and so is that Redis was left alone.
    """
    redis = _redis()
    if redis is None:
        yield None
        return
    pipeline = redis.pipeline(transaction=False)
    try:
        yield pipeline
        with counting(NOTICES), patience():
            pipeline.execute()
    except RedisLeftAlone:
        logger.warning("Caches not cleared and devices not told: Redis failed a moment ago")
    except Exception:
        logger.warning("Caches not cleared or devices not told", exc_info=True)


def sessions_changed(user_ids: Iterable[object], *, pipeline: Pipeline | None) -> None:
    """Tell whoever listens that sessions of these users began or ended. Never raises."""
    for user_id in user_ids:
        if pipeline is not None:
            pipeline.publish(get_settings().notification_channel, str(user_id))
        else:
            _call_listeners(str(user_id))


def listen(listener: Listener) -> Callable[[], None]:
    """Call ``listener(user_id)`` for each notice of this process; return how to stop that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


async def hear(heard: Listener, *, gap: Callable[[], None]) -> None:
    """
    Call ``heard(user_id)`` in the running event loop for each notice, until cancelled.

    Redis that fails is tried again for ever. ``gap()`` is called as soon as notices arrive, at
    first and again after each failure: whatever was told before may have been missed.
    """
    pause, warned_at = _FIRST_PAUSE, -_BETWEEN_WARNINGS
    while True:
        began = time.monotonic()
        try:
            connection = await asyncio.to_thread(_subscriber)
            if connection is None:
                await _hear_this_process(heard, gap)
            else:
                await _hear_redis(connection, heard, gap)
        except Exception:
            now = time.monotonic()
            if now - warned_at >= _BETWEEN_WARNINGS:
                logger.warning("Notices cannot be heard; Redis is tried again", exc_info=True)
                warned_at = now
            pause = _FIRST_PAUSE if now - began > _SILENCE else min(pause * 2, _LAST_PAUSE)
        # Not all processes at once.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


async def _hear_this_process(heard: Listener, gap: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    # A notice comes from the thread of whoever ended a session.
    stop = listen(lambda user_id: _pass_on(loop, heard, user_id))
    try:
        gap()
        await loop.create_future()
    finally:
        stop()


def _pass_on(loop: asyncio.AbstractEventLoop, heard: Listener, user_id: str) -> None:
    loop.call_soon_threadsafe(heard, user_id)


async def _hear_redis(
    connection: AbstractConnection, heard: Listener, gap: Callable[[], None]
) -> None:
    """Subscribe and listen until something fails, which is raised."""
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("SUBSCRIBE", get_settings().notification_channel)
        await _reply(connection, _PATIENCE)
        gap()
        while True:
            match await _next(connection):
                case [b"message", _channel, bytes(user_id)]:
                    heard(user_id.decode(errors="replace"))
    finally:
        await connection.disconnect(nowait=True)


async def _next(connection: AbstractConnection) -> Any:
    """Return what Redis says next; TimeoutError when it is silent even if it is asked to speak."""
    try:
        return await _reply(connection, _SILENCE)
    except TimeoutError:
        await connection.send_command("PING")
        return await _reply(connection, _PATIENCE)


async def _reply(connection: AbstractConnection, patience: float) -> Any:
    _heed_cancellation()
    async with asyncio.timeout(patience):
        # A silence must not close the connection.
        return await connection.read_response(timeout=math.inf, disconnect_on_error=False)


def _heed_cancellation() -> None:
    """
    End a task that was cancelled while redis-py sent a command.

    It sends in ``asyncio.wait_for``, which forgets in Python 3.11 that it was cancelled when what
    it waits for comes at the same time: the event loop of a server that stops would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _subscriber() -> AbstractConnection | None:
    """
    Return an unconnected connection to the Redis of the cache; None without Redis.

    Sentinel is asked for the master of the moment; of a Cluster any node will do, as they pass
    every notice on to each other.
    """
    redis: Any = _redis()
    if redis is None:
        return None
    if isinstance(redis, RedisCluster):
        cluster: Any = redis
        redis = cluster.get_redis_connection(cluster.get_random_node())
    pool: Any = redis.connection_pool
    options = dict(pool.connection_kwargs)
    if isinstance(pool, SentinelConnectionPool):
        master: Any = pool
        options["host"], options["port"] = master.get_master_address()
    kind = _kind(pool.connection_class)
    known = inspect.signature(kind).parameters
    tls = {name for name in known if name.startswith("ssl_")}
    return kind(
        **{name: value for name, value in options.items() if name in _PLACE | tls},
        socket_connect_timeout=_PATIENCE,
        socket_timeout=_PATIENCE,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
    )


def _kind(of_cache: type) -> type[AbstractConnection]:
    """Return the asynchronous class that corresponds to the synchronous one."""
    if issubclass(of_cache, redis_connection.SSLConnection):
        return redis_asyncio.SSLConnection
    if issubclass(of_cache, redis_connection.UnixDomainSocketConnection):
        return redis_asyncio.UnixDomainSocketConnection
    return redis_asyncio.Connection


def _call_listeners(user_id: str) -> None:
    for listener in tuple(_listeners):
        try:
            listener(user_id)
        except Exception:
            logger.warning("A listener failed for user %s", user_id, exc_info=True)


def _redis() -> Redis | None:
    try:
        redis: Redis = get_redis_connection(get_settings().user_cache_alias)
    except NotImplementedError:
        return None
    return redis
