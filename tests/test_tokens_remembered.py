"""A signature is verified once; time, kind and the row are looked at each time."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine
from django.utils import timezone

from accounts import tokens
from accounts.conf import get_settings
from accounts.exceptions import TokenExpired, TokenInvalid
from accounts.models import User
from tests.people import Phone

pytestmark = pytest.mark.django_db


def test_a_remembered_token_expires_in_its_time(alice: User) -> None:
    phone = Phone().sign_in(alice)
    token = phone.tokens["access_token"]
    tokens.read(token, "access")
    expires = timezone.now() + get_settings().access_token_lifetime + get_settings().clock_leeway

    with time_machine.travel(expires - dt.timedelta(seconds=2), tick=False):
        tokens.read(token, "access")
    with (
        time_machine.travel(expires + dt.timedelta(seconds=2), tick=False),
        pytest.raises(TokenExpired),
    ):
        tokens.read(token, "access")


def test_a_remembered_token_does_not_become_one_of_the_other_kind(alice: User) -> None:
    token = Phone().sign_in(alice).tokens["refresh_token"]
    tokens.read(token, "refresh")

    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")


def test_a_remembered_token_is_refused_once_its_session_has_ended(alice: User) -> None:
    phone = Phone().sign_in(alice)
    other = Phone("other").sign_in(alice)
    phone.ok("get", "/auth/profile")

    other.ok("post", "/auth/logout")

    assert phone.call("get", "/auth/profile").status_code == 401


def test_only_genuine_tokens_are_remembered(alice: User) -> None:
    token = Phone().sign_in(alice).tokens["access_token"]
    tokens.read(token, "access")
    kept = tokens._genuine.cache_info().currsize

    with pytest.raises(TokenInvalid):
        tokens.read(f"{token[:-8]}AAAAAAAA", "access")

    assert tokens._genuine.cache_info().currsize == kept
