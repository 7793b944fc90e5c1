"""What operators type."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from accounts.models import AuditEvent, User, UserSession
from accounts.services import retention
from tests.people import PASSWORD, Phone

pytestmark = pytest.mark.django_db

NEW = "another horse, another battery"


@pytest.fixture(autouse=True)
def _from_the_start() -> Iterator[None]:
    retention.watermark.rewind()
    yield
    retention.watermark.rewind()


def type_in(monkeypatch: pytest.MonkeyPatch, *passwords: str) -> None:
    """Have these typed, one after the other."""
    typed = iter(passwords)
    monkeypatch.setattr(getpass, "getpass", lambda *_prompt: next(typed))


def change_password(name: str | None) -> str:
    """Run the command; return what it says."""
    out = StringIO()
    call_command("changepassword", *([name] if name else []), stdout=out, stderr=out)
    return out.getvalue()


def test_changepassword_signs_the_user_out_everywhere(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, bobs = Phone().sign_in(alice), Phone().sign_in(bob)
    type_in(monkeypatch, NEW, NEW)

    said = change_password("Alice@example.com")

    assert "Password changed successfully" in said
    assert not phone.is_signed_in
    assert bobs.is_signed_in
    assert Phone().sign_in(alice, NEW).is_signed_in
    assert AuditEvent.objects.get(type="password.changed").actor == "system"


def test_changepassword_asks_again_and_gives_up(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, NEW, "something else", "123", "123", NEW, "wrong again")

    with pytest.raises(CommandError, match="after 3 attempts"):
        change_password(alice.email)

    assert Phone().sign_in(alice, PASSWORD).is_signed_in


def test_changepassword_knows_only_who_exists(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "root")

    with pytest.raises(CommandError, match="user 'root' does not exist"):
        change_password(None)


def test_prune_sessions_says_what_it_ended_and_deleted(alice: User) -> None:
    past = timezone.now() - dt.timedelta(seconds=1)
    UserSession.objects.create(user=alice, client="app", expires_at=past)
    out, progress = StringIO(), StringIO()

    call_command("prune_sessions", stdout=out, stderr=progress)

    assert out.getvalue() == (
        "1 overdue sessions ended, 0 deleted that had ended more than 90 days ago.\n"
    )
    assert "Ending overdue sessions: 1sessions" in progress.getvalue()
    assert UserSession.objects.get().end_reason == "expired"


@pytest.mark.django_db(transaction=True)
def test_flush_empties_the_trail_too_and_then_it_is_append_only_again(alice: User) -> None:
    Phone().sign_in(alice)

    call_command("flush", interactive=False, verbosity=0)

    assert not AuditEvent.objects.exists()
    AuditEvent.objects.create(type="login.failed", actor="system")
    with pytest.raises(DatabaseError, match="append-only"):
        AuditEvent.objects.all().delete()
    assert AuditEvent.objects.exists()
