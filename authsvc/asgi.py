"""
The ASGI edge: ``application`` is everything in one process, ``sockets`` is ``/ws/`` alone.

A phone that drives into a tunnel says no goodbye, ASGI has no message for a ping, and not every
server sends pings by itself: ``authsvc.sockets`` does, granian does not. So TCP asks: a connection
whose other end is gone is closed a minute later.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import socket
import stat
import sys
import warnings
from typing import Any

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from authsvc import environment, requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")

# WhiteNoise gives files piece by piece, which is as good as at once at their size.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")

with environment.one_line_errors():
    environment.prepare_server()
    _django = requests.tolerate(get_asgi_application())

from accounts.ws.urls import application as _accounts  # noqa: E402 - the apps come first

# Ask after half a minute of silence, three times; nor does what was sent wait longer for its
# receipt, which the system's default makes a quarter of an hour.
_SILENCE, _BETWEEN, _TIMES = 30, 10, 3
_RECEIPT_MS = 60_000
# What most systems start a process with is 1024.
_DESCRIPTORS = 65_536


@functools.cache
def watch_connections() -> None:
    """
    Make TCP watch what this process accepts from now on, and allow it more of that.

    A connection inherits the options of the socket that listens. A server opens that one after it
    has imported this module, and granian does not hand it out, so the first handshake looks for it.
    """
    if sys.platform != "linux":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))
    for name in os.listdir("/proc/self/fd"):
        # The directory's own descriptor is gone by now, and Unix sockets know no TCP.
        with contextlib.suppress(OSError):
            _watch(int(name))


def _watch(descriptor: int) -> None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return
    with socket.socket(fileno=os.dup(descriptor)) as found:
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _TIMES)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _RECEIPT_MS)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    watch_connections()
    await _accounts(scope, receive, send)


application = ProtocolTypeRouter({"http": _django, "websocket": _websocket})
sockets = ProtocolTypeRouter({"http": _accounts, "websocket": _websocket})
