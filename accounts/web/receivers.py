"""What happens when any code, ours or a host's, calls Django's ``login()`` or ``logout()``."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from accounts.web import cookies


def bind_cookie(*, request: HttpRequest | None, user: Any, **_kwargs: object) -> None:
    """Open a row for the browser that signed in. An app's sign-in brings no cookie and has one."""
    session = getattr(request, "session", None)
    if request is None or session is None or getattr(request, "is_app_sign_in", False):
        return
    if session.get(SESSION_KEY) == str(user.pk):
        cookies.bind(request, user)


def release_cookie(*, request: HttpRequest | None, user: Any, **_kwargs: object) -> None:
    """End the row of the browser that signs out."""
    if request is not None and user is not None:
        cookies.release(request, user)
