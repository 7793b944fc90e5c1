"""Signing a browser in, by Django's own ``login()``, whose signal opens the row."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from accounts import devices
from accounts.exceptions import InvalidCredentials
from accounts.services.authentication import verify_password
from accounts.services.retention import sweep
from accounts.services.sign_in import TRIES


def sign_in(request: HttpRequest, identifier: str, password: str) -> None:
    """
    Verify the password and sign the request's browser in.

    Raise InvalidCredentials and LockedOut. As for an app, the password is verified anew where the
    stored hash has changed since; whoever was signed in before is signed out by then.
    """
    sweep()
    device = devices.from_request(request)
    for _try in range(TRIES):
        user = verify_password(identifier, password, device=device)
        try:
            login(request, user)
        except InvalidCredentials:
            # Django has written its part already: a cookie that no row stands behind.
            request.session.flush()
            request.user = AnonymousUser()
        else:
            return
    raise InvalidCredentials
