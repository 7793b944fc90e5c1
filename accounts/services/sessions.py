"""
A session's life: opened at a sign-in, rotated at a refresh, ended once and for good.

Everybody locks in one order: the users' rows by key, then session rows. Ends, sign-ins and limits
of one user therefore queue up, and nothing deadlocks. A rotation and a note of use are single
conditional statements and lock nothing else.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.db.models import F
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts import audit, metrics, notifications, signals, statements, tokens, user_cache
from accounts.conf import get_settings
from accounts.devices import Device
from accounts.exceptions import InvalidCredentials, SessionEnded
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services.authentication import find_session
from accounts.services.owners import OwnSessions, end_rows
from accounts.statements import Parameter, Statement

EndReason = UserSession.EndReason
_NEEDED_TO_MAKE_ROOM = ("device_id", "is_active", "last_seen_at", "expires_at")


def open_session(user: Any, *, client: UserSession.Client, device: Device) -> UserSession:
    """
    Open a session for ``user`` on ``device`` and return it.

    ``user`` is the user as verified: under the lock, its password hash and active flag must still
    be those of the database, else InvalidCredentials. So a sign-in with the old password cannot
    slip past a password change, nor a deactivated user in.

    The user's expired sessions are ended, an earlier one of the same device id as replaced, and
    the least recently used ones as over the limit, before the new one starts.
    """
    with transaction.atomic():
        stored = get_user_model()._default_manager.select_for_update(no_key=True)
        current = stored.filter(pk=user.pk).first()
        if current is None or not current.is_active or current.password != user.password:
            raise InvalidCredentials
        session_id = uuid7()
        now = timezone.now()
        _make_room(user, device, now, session_id)
        session = UserSession.objects.create(
            pk=session_id,
            user=user,
            client=client,
            device_name=device.name,
            device_id=device.id,
            ip_address=device.ip_address,
            user_agent=device.user_agent,
            created_at=now,
            last_seen_at=now,
            expires_at=now + get_settings().session_lifetime,
        )
        audit.session_started(session, device=device)

        def tell() -> None:
            metrics.SESSIONS_OPENED.labels(session.client).inc()
            with notifications.round_trip() as pipeline:
                notifications.sessions_changed([user.pk], pipeline=pipeline)
            signals.session_opened.send_robust(sender=UserSession, session=session)

        transaction.on_commit(tell, robust=True)
    return session


def rotate(refresh_token: str, *, device: Device) -> tokens.TokenPair:
    """
    Return tokens of the session's next generation in exchange for ``refresh_token``.

    The direct predecessor of the current generation gets tokens of the current one, until
    ``ACCOUNTS["REFRESH_GRACE"]`` after those were last handed out and as long as they are unused:
    a lost answer, a retry, two tabs. Anything older was stolen (RFC 9700 section 4.14.2): the
    session ends and is committed, and SessionEnded is raised; else TokenInvalid, TokenExpired.
    """
    claims = tokens.read(refresh_token, "refresh")
    while True:
        now = timezone.now()
        session = find_session(claims, now=now)
        if claims.generation == session.refresh_generation:
            if _raise_generation(session, now):
                session.refresh_generation += 1
                metrics.REFRESHES.labels("rotated").inc()
                return tokens.issue(session, now=now)
        elif not session.forgives(claims.generation, now):
            break
        elif _hand_out_again(session, now):
            metrics.REFRESHES.labels("replayed").inc()
            return tokens.issue(session, now=now)
        # Another refresh, a use or an end of the session won the race: the row now says which.
    metrics.REFRESHES.labels("reused").inc()
    _end_reused(session, device=device)
    raise SessionEnded


def end_sessions(
    sessions: UserSessionQuerySet | OwnSessions,
    *,
    reason: EndReason,
    actor: Any | None,
    session_id: UUID | None = None,
    device: Device | None = None,
) -> int:
    """
    End the active sessions among ``sessions`` and return how many that were.

    Sessions that had already ended are neither touched nor counted, so a retry is harmless.
    ``actor`` is who asked, or None when the service itself decided; ``session_id`` is the session
    that acted, or the one concerned, and ``device`` where the act came from.

    The rows and their audit event commit together. Cache and notifications follow the commit and
    never raise.
    """
    ending = {
        "is_active": False,
        "ended_at": timezone.now(),
        "end_reason": reason,
        "ended_by_id": "" if actor is None else str(actor.pk),
    }
    with transaction.atomic(savepoint=False):
        by_owner = end_rows(sessions, ending)
        if not by_owner:
            return 0
        ended = sum(by_owner.values())
        audit.sessions_ended(
            by_owner, reason=reason, actor=actor, session_id=session_id, device=device
        )

        def tell() -> None:
            metrics.SESSIONS_ENDED.labels(reason).inc(ended)
            with notifications.round_trip() as pipeline:
                user_cache.clear(by_owner, pipeline=pipeline)
                notifications.sessions_changed(by_owner, pipeline=pipeline)
            for user_id, count in by_owner.items():
                signals.sessions_ended.send_robust(
                    sender=UserSession, user_id=str(user_id), reason=reason.value, ended=count
                )

        transaction.on_commit(tell, robust=True)
    return ended


def revoke(token: str, *, device: Device) -> None:
    """
    End the session that ``token`` belongs to (RFC 7009); do nothing if there is none.

    Takes an access or a refresh token of any generation, expired or not: whoever holds it may
    always give it back.
    """
    claims = tokens.read_ended(token)
    if claims is None:
        return
    session = UserSession.objects.select_related("user").filter(pk=claims.session_id).first()
    if session is None or str(session.user_id) != claims.user_id:
        return
    end_sessions(
        UserSession.objects.filter(pk=session.pk),
        reason=EndReason.REVOKED,
        actor=session.user,
        session_id=session.pk,
        device=device,
    )


def _make_room(user: Any, device: Device, now: dt.datetime, session_id: UUID) -> None:
    """End what the new session takes the place of: expired, of the same device, over the limit."""
    options = get_settings()
    mine = UserSession.objects.of(user)
    going: dict[EndReason, list[UUID]] = {EndReason.EXPIRED: [], EndReason.REPLACED: []}
    staying: list[UUID] = []
    for session in mine.unended().recent_first().only(*_NEEDED_TO_MAKE_ROOM):
        if not session.is_usable(now):
            going[EndReason.EXPIRED].append(session.pk)
        elif device.id and session.device_id == device.id:
            going[EndReason.REPLACED].append(session.pk)
        else:
            staying.append(session.pk)
    if options.sessions_per_user:
        going[EndReason.LIMIT] = staying[options.sessions_per_user - 1 :]
    for reason, keys in going.items():
        if keys:
            actor = user if reason == EndReason.REPLACED else None
            end_sessions(
                mine.filter(pk__in=keys),
                reason=reason,
                actor=actor,
                session_id=session_id,
                device=device,
            )


def _raise_generation(session: UserSession, now: dt.datetime) -> bool:
    """Compare and set, so that of many refreshes of one token exactly one makes a generation."""
    alias = router.db_for_write(UserSession)
    generation = session.refresh_generation
    values = {"id": session.pk, "refresh_generation": generation}
    values |= {"used_generation": generation, "rotated_at": now, "last_seen_at": now}
    return bool(_raising_generation(alias).execute(values))


@functools.cache
def _raising_generation(alias: str) -> Statement:
    holding = UserSession.objects.using(alias).unended()
    return statements.update(
        holding.filter(pk=Parameter("id"), refresh_generation=Parameter("refresh_generation")),
        refresh_generation=F("refresh_generation") + 1,
        used_generation=Parameter("used_generation"),
        rotated_at=Parameter("rotated_at"),
        last_seen_at=Parameter("last_seen_at"),
    )


def _hand_out_again(session: UserSession, now: dt.datetime) -> bool:
    """Let the grace begin anew where it has passed: a copy of the retry may come after the use."""
    unused = UserSession.objects.unended().filter(
        pk=session.pk, used_generation__lt=session.refresh_generation
    )
    return session.is_in_grace(now) or bool(unused.update(rotated_at=now))


def _end_reused(session: UserSession, *, device: Device) -> None:
    with transaction.atomic():
        ended = end_sessions(
            UserSession.objects.filter(pk=session.pk),
            reason=EndReason.TOKEN_REUSED,
            actor=None,
            session_id=session.pk,
            device=device,
        )
        if ended:
            audit.token_reused(session, device=device)
