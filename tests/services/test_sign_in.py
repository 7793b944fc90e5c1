"""Signing in while somebody else writes the same user's password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from pytest_django import Settings

from accounts.devices import Device
from accounts.exceptions import InvalidCredentials
from accounts.models import AuditEvent, User, UserSession
from accounts.services.sign_in import TRIES, sign_in
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db

PHONE = Device("192.0.2.1", "an agent", "phone")
Overtake = Callable[..., None]


class Overtaken(ModelBackend):
    """Verifies a password that, as long as there are ``writes``, is another one right after."""

    writes: ClassVar[list[str]] = []

    def authenticate(self, request: HttpRequest | None, *given: Any, **credentials: Any) -> Any:
        """Verify, and let somebody else write."""
        user = super().authenticate(request, *given, **credentials)
        if user is not None and self.writes:
            written = make_password(self.writes.pop())
            User.objects.filter(pk=user.pk).update(password=written)
        return user


@pytest.fixture
def overtake(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Overtake:
    """Have passwords written between a check and the lock."""
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Overtaken"]
    return lambda *passwords: monkeypatch.setattr(Overtaken, "writes", list(passwords))


def enter(password: str = PASSWORD) -> UserSession:
    """Sign Alice in."""
    return sign_in("alice@example.com", password, client=UserSession.Client.APP, device=PHONE)


@pytest.mark.parametrize("times", range(TRIES))
def test_a_password_that_was_only_rehashed_meanwhile_is_verified_anew(
    alice: User, overtake: Overtake, times: int
) -> None:
    overtake(*[PASSWORD] * times)

    session = enter()

    assert session.user == alice
    assert UserSession.objects.get() == session
    assert list(AuditEvent.objects.values_list("type", flat=True)) == ["session.started"]


def test_a_password_that_never_stays_the_same_does_not_sign_in(
    alice: User, overtake: Overtake
) -> None:
    overtake(*[PASSWORD] * TRIES)

    with pytest.raises(InvalidCredentials):
        enter()

    assert not UserSession.objects.exists()


def test_the_old_password_does_not_slip_past_a_change(
    alice: User, bob: User, overtake: Overtake
) -> None:
    overtake("another horse, another battery")

    with pytest.raises(InvalidCredentials):
        enter()

    assert not UserSession.objects.exists()
    assert AuditEvent.objects.get().type == "login.failed"
    assert enter("another horse, another battery").user == alice
