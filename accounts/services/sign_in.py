"""Signing in with a password: every door leads through here."""

from __future__ import annotations

from accounts.devices import Device
from accounts.exceptions import InvalidCredentials
from accounts.models import UserSession
from accounts.services.authentication import verify_password
from accounts.services.retention import sweep
from accounts.services.sessions import open_session

# Another sign-in may rehash the password meanwhile; a third time in a row it is no coincidence.
TRIES = 3


def sign_in(
    identifier: str, password: str, *, client: UserSession.Client, device: Device
) -> UserSession:
    """
    Verify the password and open a session; return it, with its user.

    Raise InvalidCredentials and LockedOut. Where the stored hash has changed since it was
    verified, the password is verified anew: it may have been changed, or only rehashed.
    """
    sweep()
    for _try in range(TRIES - 1):
        user = verify_password(identifier, password, device=device)
        try:
            return open_session(user, client=client, device=device)
        except InvalidCredentials:
            continue
    user = verify_password(identifier, password, device=device)
    return open_session(user, client=client, device=device)
