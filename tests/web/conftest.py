"""Browsers for the people of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from pytest_django import Settings

from accounts.models import User
from tests.people import PASSWORD
from tests.web.laptop import Laptop

LaptopOf = Callable[[User], Laptop]
Overtake = Callable[[int], None]


class Overtaken(ModelBackend):
    """Verifies a password which, the first ``times`` times, is rehashed before the row opens."""

    times = 0

    def authenticate(self, request: HttpRequest | None, *given: Any, **credentials: Any) -> Any:
        user = super().authenticate(request, *given, **credentials)
        if user is not None and Overtaken.times:
            Overtaken.times -= 1
            User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD))
        return user


@pytest.fixture
def laptop(db: None) -> Laptop:
    """A browser that nobody has signed in with."""
    return Laptop()


@pytest.fixture
def laptop_of(db: None) -> LaptopOf:
    """Return a browser that has just signed in."""

    def sign_in(user: User) -> Laptop:
        laptop = Laptop()
        assert laptop.sign_in(user).status_code == 302
        return laptop

    return sign_in


@pytest.fixture
def overtaken(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Overtake:
    """Say how many times a sign-in is overtaken."""
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Overtaken"]
    return lambda times: monkeypatch.setattr(Overtaken, "times", times)
