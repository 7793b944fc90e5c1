"""Staff of two kinds, and a ledger that has counted nothing yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.admin.ledger import ledger
from accounts.models import User
from tests.admin.office import allow, browser_of
from tests.people import PASSWORD


@pytest.fixture
def staff(carol: User) -> Client:
    """Return Carol's browser, signed in to the administration."""
    return browser_of(carol)


@pytest.fixture
def helper(db: None) -> User:
    """Staff who may look, and nothing else."""
    helper = User.objects.create_user("helper@example.com", PASSWORD, is_staff=True)
    allow(helper, "view_usersession", "view_auditevent", "view_user")
    return helper


@pytest.fixture(autouse=True)
def _clean_ledger() -> Iterator[None]:
    ledger.forget()
    yield
    ledger.forget()
