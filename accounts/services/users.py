"""
Making and changing users, for ``accounts.User`` and for a host project's own user model.

A host's model may lack some of our fields: what is missing reads as empty and cannot be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Field
from django.utils.functional import Promise

from accounts import audit, user_cache
from accounts.conf import get_settings
from accounts.devices import Device
from accounts.exceptions import FieldInvalid, RegistrationClosed
from accounts.models import UserSession
from accounts.services import limits
from accounts.services.sessions import end_sessions

PROFILE_FIELDS = ("name", "locale", "time_zone", "avatar_url")


def register(identifier: str, password: str, *, name: str, device: Device) -> Any:
    """
    Make a user and return it.

    Raise RegistrationClosed, FieldInvalid for a password or an identifier that the project's
    validators refuse and for an identifier that is taken, Throttled for too many of either from
    one address.
    """
    if not get_settings().registration_open:
        raise RegistrationClosed
    limits.reserve_registration(device)
    model = get_user_model()
    extra = {"name": name} if has_field("name") else {}
    user = model(**{model.USERNAME_FIELD: identifier}, **extra)
    field = cast("Field[Any, Any]", model._meta.get_field(model.USERNAME_FIELD))
    try:
        field.run_validators(identifier)
    except ValidationError as error:
        raise _refused(model.USERNAME_FIELD, error) from error
    check_new_password(password, user)
    made = _make({model.USERNAME_FIELD: identifier, "password": password, **extra}, device=device)
    if made is None:
        limits.reserve_taken_answer(device)
        taken = user.unique_error_message(model, (model.USERNAME_FIELD,))
        raise _refused(model.USERNAME_FIELD, taken)
    return made


def _make(facts: Mapping[str, Any], *, device: Device) -> Any | None:
    """
    Make a user and its event; None where the identifier is taken.

    That is not asked beforehand: of two at once, one would be told that all is well.
    """
    with transaction.atomic():
        try:
            with transaction.atomic():
                user = get_user_model()._default_manager.create_user(**facts)
        except IntegrityError:
            return None
        audit.user_registered(user, device=device)
    return user


def check_new_password(password: str, user: Any, *, field: str = "password") -> None:
    """Raise FieldInvalid, on ``field``, for a password that the project's validators refuse."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise _refused(field, error) from error


def _refused(field: str, error: ValidationError) -> FieldInvalid:
    found: list[tuple[str, str | Promise]] = [
        (item.code or "invalid", " ".join(item.messages)) for item in error.error_list
    ]
    return FieldInvalid(field, found)


def update_profile(user: Any, changes: Mapping[str, Any]) -> None:
    """Write ``changes`` of PROFILE_FIELDS to ``user`` and its row, and clear the user's cache."""
    for name, value in changes.items():
        setattr(user, name, value)
    with transaction.atomic():
        type(user)._default_manager.filter(pk=user.pk).update(**changes)

        def forget() -> None:
            user_cache.clear([user.pk])

        transaction.on_commit(forget, robust=True)


def deactivate(user: Any, *, actor: Any | None, device: Device | None) -> int:
    """End all sessions of ``user``, let nobody sign in as them; return how many sessions ended."""
    with transaction.atomic():
        if not _set_active(user, active=False):
            return 0
        audit.user_deactivated(user, actor=actor, device=device)
        return _end_all(user, actor, device)


def activate(user: Any, *, actor: Any | None, device: Device | None) -> None:
    """Let ``user`` sign in again. Sessions that have ended stay ended."""
    with transaction.atomic():
        if _set_active(user, active=True):
            audit.user_activated(user, actor=actor, device=device)


def delete_user(user: Any, *, actor: Any | None, device: Device | None) -> None:
    """End all sessions of ``user`` and delete the user; the audit trail stays."""
    with transaction.atomic():
        # First of all, as everybody locks: the deletion itself would begin with the sessions.
        type(user)._base_manager.select_for_update(no_key=True).filter(pk=user.pk).first()
        deactivate(user, actor=actor, device=device)
        user.delete()


def _set_active(user: Any, *, active: bool) -> bool:
    """Write the flag and return whether that was news. The UPDATE locks the user's row."""
    rows = type(user)._default_manager.filter(pk=user.pk, is_active=not active)
    user.is_active = active
    return bool(rows.update(is_active=active))


def _end_all(user: Any, actor: Any | None, device: Device | None) -> int:
    return end_sessions(
        UserSession.objects.of(user),
        reason=UserSession.EndReason.USER_DEACTIVATED,
        actor=actor,
        device=device,
    )


def has_field(name: str) -> bool:
    """Tell whether the project's user model has the field ``name``."""
    try:
        get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
