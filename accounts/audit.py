"""
The audit trail: one function per fact, and the only writer of AuditEvent.

An event holds who, when, from where and why, and never a token, a password, a secret or what
somebody typed. It commits or rolls back with the act it reports, so callers that refuse an act
write it outside the transaction they give up.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, router, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts import statements
from accounts.devices import Device
from accounts.models import AuditEvent, UserSession
from accounts.querysets import AuditEventQuerySet
from accounts.statements import Statement

Type = AuditEvent.Type
Actor = AuditEvent.Actor


def user_registered(user: Any, *, device: Device) -> None:
    """Record that ``user`` made an account."""
    _write(Type.USER_REGISTERED, user.pk, actor=user, device=device)


def session_started(session: UserSession, *, device: Device) -> None:
    """Record that a device signed in."""
    _write(
        Type.SESSION_STARTED,
        session.user_id,
        actor=session.user,
        device=device,
        session_id=session.pk,
    )


def sessions_ended(
    ended: Mapping[object, int],
    *,
    reason: str,
    actor: Any | None,
    session_id: UUID | None,
    device: Device | None,
) -> None:
    """
    Record one act that ended sessions: how many, by the key of the user who had them.

    Each of the users finds it in their own trail. In an incident there may be a hundred thousand:
    then it is one event of no user in particular.
    """
    if reason == UserSession.EndReason.INCIDENT and len(ended) > 1:
        ended = {"": sum(ended.values())}
    facts: dict[str, Any] = {"actor": actor, "device": device}
    facts |= {"session_id": session_id, "reason": reason}
    if len(ended) == 1:
        [(user_id, count)] = ended.items()
        _write(Type.SESSION_ENDED, user_id, count=count, **facts)
        return
    AuditEvent.objects.bulk_create(
        AuditEvent(**_values(Type.SESSION_ENDED, user_id, count=count, **facts))
        for user_id, count in ended.items()
    )


def login_failed(user_id: object | None, *, device: Device) -> None:
    """Record a refused sign-in; ``user_id`` is None where nobody has the address given."""
    _write(Type.LOGIN_FAILED, user_id, actor=None, device=device)


def login_locked_out(user_id: object | None, *, device: Device) -> None:
    """Record that sign-ins to this account, or from this address, now have to wait."""
    _write(Type.LOGIN_LOCKED_OUT, user_id, actor=None, device=device)


def password_changed(
    user: Any, *, actor: Any | None, session_id: UUID | None, device: Device | None
) -> None:
    """Record that ``actor`` gave ``user`` another password."""
    _write(Type.PASSWORD_CHANGED, user.pk, actor=actor, device=device, session_id=session_id)


def password_reset_requested(user_id: object | None, *, device: Device) -> None:
    """Record that a password mail was asked for; ``user_id`` is None where nobody is known."""
    _write(Type.PASSWORD_RESET_REQUESTED, user_id, actor=None, device=device)


def password_reset(user: Any, *, device: Device) -> None:
    """Record that a password was set through a mailed link."""
    _write(Type.PASSWORD_RESET, user.pk, actor=user, device=device)


def user_deactivated(user: Any, *, actor: Any | None, device: Device | None) -> None:
    """Record that ``user`` may not sign in any more."""
    _write(Type.USER_DEACTIVATED, user.pk, actor=actor, device=device)


def user_activated(user: Any, *, actor: Any | None, device: Device | None) -> None:
    """Record that ``user`` may sign in again."""
    _write(Type.USER_ACTIVATED, user.pk, actor=actor, device=device)


def token_reused(session: UserSession, *, device: Device) -> None:
    """Record that a refresh token came that had been used up."""
    _write(Type.TOKEN_REUSED, session.user_id, actor=None, device=device, session_id=session.pk)


def prune(before: dt.datetime, *, limit: int) -> int:
    """Delete up to ``limit`` of the events older than ``before``, the oldest first; how many."""
    with retention():
        keys = list(_older_than(before).values_list("pk", flat=True)[:limit])
        return AuditEvent.objects.filter(pk__in=keys).delete()[0]


def cut_addresses(before: dt.datetime, *, limit: int) -> int:
    """Remove the addresses from up to ``limit`` events older than ``before``; how many."""
    with retention():
        with_address = _older_than(before).filter(ip_address__isnull=False)
        keys = list(with_address.values_list("pk", flat=True)[:limit])
        return AuditEvent.objects.filter(pk__in=keys).update(ip_address=None)


@contextlib.contextmanager
def retention() -> Iterator[None]:
    """Lift, for one transaction, the database's refusal to change or delete what is written."""
    with transaction.atomic():
        _set_retention(on=True)
        try:
            yield
        except BaseException:
            # PostgreSQL forgets the setting with the transaction, which takes no more statements.
            if connection.vendor == "sqlite":
                _set_retention(on=False)
            raise
        _set_retention(on=False)


@contextlib.contextmanager
def emptying() -> Iterator[None]:
    """Let SQLite empty the whole table. PostgreSQL truncates it, of which no trigger hears."""
    if connection.vendor != "sqlite":
        yield
        return
    _set_retention(on=True)
    try:
        yield
    finally:
        _set_retention(on=False)


def _set_retention(*, on: bool) -> None:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.create_function("accounts_audit_retention", 0, lambda: on)
        return
    with connection.cursor() as cursor:
        value = "on" if on else "off"
        cursor.execute("SELECT set_config('accounts.audit_retention', %s, true)", [value])


def _older_than(before: dt.datetime) -> AuditEventQuerySet:
    """Ids are UUIDv7, so the oldest are found by the key."""
    end = UUID(int=int(before.timestamp() * 1000) << 80)
    return AuditEvent.objects.filter(pk__lt=end).order_by("pk")


def _write(type_: Type, user_id: object | None, **facts: Any) -> None:
    alias = router.db_for_write(AuditEvent)
    _writing(alias).execute(_values(type_, user_id, **facts))


@functools.cache
def _writing(alias: str) -> Statement:
    return statements.insert(AuditEvent, alias=alias)


def _values(
    type_: Type,
    user_id: object | None,
    *,
    actor: Any | None,
    device: Device | None,
    session_id: UUID | None = None,
    reason: str = "",
    count: int | None = None,
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "type": type_,
        "at": timezone.now(),
        "user_id": "" if user_id is None else str(user_id),
        "actor": _actor(actor, user_id),
        "actor_id": "" if actor is None else str(actor.pk),
        "session_id": session_id,
        "ip_address": device.ip_address if device else None,
        "user_agent": device.user_agent if device else "",
        "reason": reason,
        "count": count,
    }


def _actor(actor: Any | None, user_id: object | None) -> Actor:
    if actor is None:
        return Actor.SYSTEM
    return Actor.SELF if str(actor.pk) == str(user_id) else Actor.STAFF
