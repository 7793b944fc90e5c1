"""
Where the sockets are. A project with sockets of its own adds ``websocket_urlpatterns`` to them;
one without serves ``application``, by itself or next to Django's for HTTP::

    ProtocolTypeRouter({"http": get_asgi_application(), "websocket": application})
"""

from __future__ import annotations

from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path, re_path

from accounts.ws.consumers import SessionConsumer


async def refuse(_scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Refuse the handshake of a socket that is nowhere; servers answer 403."""
    await send({"type": "websocket.close"})


async def demand_upgrade(_scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer plain HTTP where there are sockets only (RFC 9110 section 15.5.22)."""
    headers = [(b"connection", b"upgrade"), (b"upgrade", b"websocket"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


websocket_urlpatterns = [path("ws/sessions", SessionConsumer.as_asgi())]

application = ProtocolTypeRouter(
    {
        "websocket": URLRouter([*websocket_urlpatterns, re_path("", cast("Any", refuse))]),
        "http": demand_upgrade,
    }
)
