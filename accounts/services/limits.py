"""
Limits on guessing and on what can be abused, counted in the database.

A try is counted first and judged then, in one transaction with the counter's row locked, so of
any number of parallel tries no more than the limit get through; and it is counted before the
password is hashed. What turns out well is taken back. Counters are in PostgreSQL and not in
Redis, because a limit that is off while Redis is down is an invitation. django-axes was looked
at: it counts after the password was checked, so parallel guesses all reach the hasher.

A stranger cannot lock the owner out for long: waits are capped, open sessions are not touched,
and a device that has been signed in before has a counter of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.conf import get_settings
from accounts.devices import Device
from accounts.exceptions import LockedOut, RetryLater, Throttled
from accounts.models import Attempt, UserSession

HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """
    What is counted, by a hashed key, and how many are allowed before one has to wait.

    The wait begins at ``delay`` and doubles with each further try, up to ``longest``.
    """

    key: str
    allowed: int
    delay: dt.timedelta
    longest: dt.timedelta
    forgotten_after: dt.timedelta

    def wait_after(self, count: int) -> dt.timedelta | None:
        """Return how long the next try has to wait after ``count`` tries; None if not at all."""
        over = count - self.allowed
        if over < 0:
            return None
        doubled: int = 2 ** min(over, 30)
        return min(self.delay * doubled, self.longest)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A try that may go on. ``is_last`` says that the next one will have to wait."""

    limits: Sequence[Limit]
    is_last: bool


def reserve_login(identifier: str, device: Device) -> Reservation:
    """Count a try to sign in as ``identifier`` from ``device``; raise LockedOut if it must wait."""
    account = _login_limit("account", identifier.casefold())
    try:
        return _reserve([account, *_by_address(device)], LockedOut)
    except LockedOut:
        known = _known_device(identifier, device)
        if known is None:
            raise
        return _reserve([known], LockedOut)


def reserve_registration(device: Device) -> None:
    """Count an account being made from an address; raise Throttled if it must wait."""
    allowed = get_settings().registrations_per_address
    _reserve([_hourly("register", _network(device), allowed)], Throttled)


def reserve_taken_answer(device: Device) -> None:
    """Count an answer that tells who has an account; raise Throttled instead of too many."""
    allowed = get_settings().taken_answers_per_address
    _reserve([_hourly("taken", _network(device), allowed)], Throttled)


def reserve_reset(identifier: str, device: Device) -> None:
    """Count a request for a password mail; raise Throttled if it must wait."""
    options = get_settings()
    account = _hourly("reset-account", identifier.casefold(), options.resets_per_account)
    address = _hourly("reset-address", _network(device), options.resets_per_address)
    _reserve([account, address], Throttled)


def forgive(reservation: Reservation) -> None:
    """
    Take the try back, because it turned out well.

    The account's failures are forgotten. Those from the address are not, else whoever has an
    account could guess at others for ever; only this one try does not count.
    """
    for number, limit in enumerate(reservation.limits):
        counter = Attempt.objects.filter(key=limit.key)
        if number == 0:
            counter.delete()
        else:
            under = When(count__lte=limit.allowed, then=None)
            counter.filter(count__gt=0).update(
                count=F("count") - 1, blocked_until=Case(under, default=F("blocked_until"))
            )


def _reserve(limits: Sequence[Limit], refusal: type[RetryLater]) -> Reservation:
    """Count one try against each of ``limits``, or against none and raise ``refusal``."""
    if not get_settings().rate_limits:
        return Reservation((), is_last=False)
    # A counter may be forgiven or tidied away between its making and its locking. It is made anew
    # outside of the transaction, which holds locks by then that somebody may be waiting for.
    while (judged := _judge(limits)) is None:
        pass
    now, blocked_until, is_last = judged
    # Left by now: a refusal must not undo what the transaction has written.
    if blocked_until > now:
        raise refusal(int((blocked_until - now).total_seconds()) + 1)
    return Reservation(tuple(limits), is_last=is_last)


def _judge(limits: Sequence[Limit]) -> tuple[dt.datetime, dt.datetime, bool] | None:
    """
    Count one try, unless it must wait. Return now, until when to wait, and whether the next must.

    None where a counter was gone when it should have been locked.
    """
    with transaction.atomic():
        now = timezone.now()
        counters = _lock_counters(limits, now)
        if len(counters) < len(limits):
            return None
        blocked_until = max((_blocked_until(row, now) for row in counters.values()), default=now)
        if blocked_until > now:
            return now, blocked_until, True
        counted = [_count(counters[limit.key], limit, now) for limit in limits]
        return now, blocked_until, any(counted)


def _lock_counters(limits: Sequence[Limit], now: dt.datetime) -> dict[str, Attempt]:
    keys = sorted(limit.key for limit in limits)
    Attempt.objects.bulk_create(
        (Attempt(key=key, forgotten_at=now + HOUR) for key in keys), ignore_conflicts=True
    )
    rows = Attempt.objects.filter(key__in=keys).order_by("key").select_for_update()
    return {row.key: row for row in rows}


def _blocked_until(row: Attempt, now: dt.datetime) -> dt.datetime:
    return now if row.blocked_until is None else max(now, row.blocked_until)


def _count(row: Attempt, limit: Limit, now: dt.datetime) -> bool:
    """Count one more in the locked ``row``; tell whether the next try will have to wait."""
    row.count = 1 if row.forgotten_at <= now else row.count + 1
    wait = limit.wait_after(row.count)
    row.blocked_until = None if wait is None else now + wait
    row.forgotten_at = now + limit.forgotten_after
    row.save(update_fields=["count", "blocked_until", "forgotten_at"])
    return wait is not None


def _login_limit(kind: str, *subject: str, allowed: int | None = None) -> Limit:
    options = get_settings()
    return Limit(
        key=_hashed(kind, *subject),
        allowed=options.login_failures_per_account if allowed is None else allowed,
        delay=options.login_delay,
        longest=options.login_delay_max,
        forgotten_after=options.failures_forgotten_after,
    )


def _by_address(device: Device) -> list[Limit]:
    if device.ip_address is None:
        return []
    allowed = get_settings().login_failures_per_address
    return [_login_limit("address", _network(device), allowed=allowed)]


def _hourly(kind: str, subject: str, allowed: int) -> Limit:
    return Limit(_hashed(kind, subject), allowed, HOUR, HOUR, HOUR)


def _known_device(identifier: str, device: Device) -> Limit | None:
    """Return the counter of a device that has been signed in to this account before."""
    model = get_user_model()
    same = Q(device_id=device.id) if device.id else Q(ip_address=device.ip_address)
    sessions = UserSession.objects.filter(
        same, **{f"user__{model.USERNAME_FIELD}__iexact": identifier}
    )
    if not sessions.exists():
        return None
    return _login_limit("known", identifier.casefold(), device.id or str(device.ip_address))


def _network(device: Device) -> str:
    """Return what stands for one subscriber: an IPv4 address, or an IPv6 network of 64 bits."""
    if device.ip_address is None:
        return ""
    address = ip_address(device.ip_address)
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _hashed(*parts: Any) -> str:
    text = "\0".join(parts)
    return salted_hmac("accounts.limits", text, algorithm="sha256").hexdigest()
