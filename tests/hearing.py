"""Hearing what the other devices are told, however this run tells them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django_redis import get_redis_connection

from accounts import notifications
from accounts.conf import get_settings


@contextmanager
def hearing() -> Iterator[list[str]]:
    """Collect the user ids of the notices; complete when the block is left."""
    heard: list[str] = []
    if "redis" not in settings.CACHES["default"]["BACKEND"]:
        stop = notifications.listen(heard.append)
        yield heard
        stop()
        return
    with get_redis_connection("default").pubsub() as subscription:
        subscription.subscribe(get_settings().notification_channel)
        assert subscription.get_message(timeout=5)["type"] == "subscribe"
        yield heard
        while message := subscription.get_message(timeout=0.1):
            heard.append(message["data"].decode())
