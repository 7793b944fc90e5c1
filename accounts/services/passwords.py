"""
Changing a password: it ends the sessions that the old one opened, in the same transaction.

The user's row is locked first, as a sign-in does, so a sign-in with the old password either
commits before, and its session is among those that end, or finds another hash.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import password_changed
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.devices import Device
from accounts.exceptions import FieldInvalid
from accounts.models import UserSession
from accounts.services import limits
from accounts.services.sessions import end_sessions
from accounts.services.users import check_new_password

EndReason = UserSession.EndReason


def change_password(
    user: Any, current: str, new: str, *, session_id: UUID | None, device: Device
) -> None:
    """
    Give ``user`` another password, for whoever knows the current one; end the other sessions.

    The session ``session_id`` goes on. Raise FieldInvalid for a wrong current password and for a
    new one that the validators refuse, LockedOut after too many wrong ones.
    """
    reservation = limits.reserve_login(str(user.get_username()), device)
    if not check_password(current, user.password):
        if reservation.is_last:
            audit.login_locked_out(user.pk, device=device)
        raise FieldInvalid("current_password", [("invalid", _("The password is incorrect."))])
    limits.forgive(reservation)
    check_new_password(new, user, field="new_password")
    verified = user.password
    with transaction.atomic():
        locked = _lock(user.pk)
        if locked is None or locked.password != verified:
            raise FieldInvalid("current_password", [("invalid", _("The password is incorrect."))])
        _store(locked, new)
        user.password = locked.password
        audit.password_changed(user, actor=user, session_id=session_id, device=device)
        others = UserSession.objects.of(user)
        end_sessions(
            others.excluding(session_id) if session_id else others,
            reason=EndReason.PASSWORD_CHANGED,
            actor=user,
            session_id=session_id,
            device=device,
        )


def set_password(user: Any, new: str | None, *, actor: Any | None, device: Device | None) -> None:
    """
    Give ``user`` another password, or with None one that nobody knows; end all their sessions.

    For staff and commands: the current password is not asked for, and ``new`` is not validated.
    """
    with transaction.atomic():
        locked = _lock(user.pk) or user
        _store(locked, new)
        user.password = locked.password
        end_after_set(user, actor=actor, device=device)


def end_after_set(user: Any, *, actor: Any | None, device: Device | None) -> None:
    """Record that ``user`` was given another password and end all their sessions."""
    with transaction.atomic():
        audit.password_changed(user, actor=actor, session_id=None, device=device)
        end_sessions(
            UserSession.objects.of(user),
            reason=EndReason.PASSWORD_CHANGED,
            actor=actor,
            device=device,
        )


def request_reset(email: str, *, device: Device) -> Any | None:
    """
    Record that a password mail was asked for and return the user it goes to.

    None where nobody has the address, or whoever has it is inactive or signs in without a
    password. Raise Throttled for too many to one address or from one.
    """
    limits.reserve_reset(email, device)
    model = get_user_model()
    having = {f"{model.get_email_field_name()}__iexact": email, "is_active": True}
    user = model._default_manager.filter(**having).first()
    if user is not None and not user.has_usable_password():
        user = None
    audit.password_reset_requested(None if user is None else user.pk, device=device)
    return user


def reset_link_parts(user: Any) -> tuple[str, str]:
    """Return (uid, token) for the mailed link: good once, for PASSWORD_RESET_TIMEOUT seconds."""
    return urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)


def find_by_link(uid: str, token: str) -> Any | None:
    """Return the user a mailed link is for; None for a link that is wrong, used or too old."""
    user = _find_by_uid(uid)
    return user if _is_good_link(user, token) else None


def reset_password(uid: str, token: str, new: str, *, device: Device) -> Any:
    """
    Give the user of a mailed link another password, end all their sessions, return the user.

    Raise FieldInvalid for a link that is wrong, used or too old, and for a password that the
    validators refuse. The link is looked at under the lock: of two at once, one gets through.
    """
    found = _find_by_uid(uid)
    with transaction.atomic():
        user = _lock(found.pk) if found is not None else None
        if not _is_good_link(user, token):
            used = _("The link is wrong, has been used or is too old. Please ask for another.")
            raise FieldInvalid("token", [("invalid", used)])
        check_new_password(new, user, field="new_password")
        _store(user, new)
        audit.password_reset(user, device=device)
        end_sessions(
            UserSession.objects.of(user), reason=EndReason.PASSWORD_RESET, actor=user, device=device
        )
    return user


def _lock(key: Any) -> Any | None:
    users = get_user_model()._default_manager.select_for_update(no_key=True)
    return users.filter(pk=key).first()


def _store(user: Any, new: str | None) -> None:
    user.set_password(new)
    type(user)._default_manager.filter(pk=user.pk).update(password=user.password)
    if new is not None:
        # As AbstractBaseUser.save() does: a validator may keep a history.
        password_changed(new, user)


def _is_good_link(user: Any | None, token: str) -> bool:
    return user is not None and user.is_active and default_token_generator.check_token(user, token)


def _find_by_uid(uid: str) -> Any | None:
    try:
        key = urlsafe_base64_decode(uid).decode()
        return get_user_model()._default_manager.filter(pk=key).first()
    except (ValueError, OverflowError, ValidationError):
        return None
