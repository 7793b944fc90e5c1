"""The trail is append-only for everybody but retention, and the database itself says so."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts import audit
from accounts.models import AuditEvent, User, UserSession
from accounts.services import retention
from tests.people import Phone

pytestmark = pytest.mark.django_db


def days(number: int) -> dt.timedelta:
    """Return so many days."""
    return dt.timedelta(days=number)


@pytest.fixture
def strict(db: None) -> None:
    """Refuse in these words, whatever this connection to SQLite has been used for before."""
    audit._set_retention(on=False)


def event(age: dt.timedelta, address: str | None = "192.0.2.7") -> AuditEvent:
    """Write an event as old as that."""
    then = timezone.now() - age
    key = UUID(int=(int(then.timestamp() * 1000) << 80) | (uuid7().int & ((1 << 80) - 1)))
    return AuditEvent.objects.create(
        pk=key, at=then, type="login.failed", actor="system", ip_address=address
    )


@pytest.mark.parametrize("act", ["update", "delete", "plain SQL"])
@pytest.mark.usefixtures("strict")
def test_what_is_written_stays_as_it_is(act: str) -> None:
    written = event(days(1000))
    rows = AuditEvent.objects.filter(pk=written.pk)

    def change() -> Any:
        if act == "plain SQL":
            with connection.cursor() as cursor:
                return cursor.execute("UPDATE audit_events SET reason = 'nothing happened'")
        return rows.update(user_id="somebody else") if act == "update" else rows.delete()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()

    assert rows.get().user_id == ""


@pytest.mark.usefixtures("strict")
def test_retention_is_over_when_its_transaction_is() -> None:
    written = event(days(1000))
    with audit.retention():
        AuditEvent.objects.filter(pk=written.pk).update(reason="cut")

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=written.pk).delete()


@pytest.mark.usefixtures("strict")
def test_retention_that_fails_is_over_too() -> None:
    written = event(days(1000))
    with pytest.raises(ZeroDivisionError), audit.retention():
        1 / 0  # noqa: B018

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=written.pk).delete()


@pytest.mark.usefixtures("strict")
@override_settings(
    ACCOUNTS={**settings.ACCOUNTS, "AUDIT_RETENTION": days(30), "AUDIT_ADDRESS_RETENTION": days(7)}
)
def test_prune_audit_deletes_the_old_and_cuts_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PRUNING_BITE", 2)
    old = [event(days(31)) for _number in range(3)]
    middle, young = event(days(8)), event(days(1))
    out = StringIO()

    call_command("prune_audit", stdout=out, stderr=StringIO())

    assert out.getvalue() == "3 events deleted, 1 addresses removed.\n"
    assert not AuditEvent.objects.filter(pk__in=[one.pk for one in old]).exists()
    left = dict(AuditEvent.objects.values_list("pk", "ip_address"))
    assert left == {middle.pk: None, young.pk: "192.0.2.7"}


@override_settings(ACCOUNTS={**settings.ACCOUNTS, "AUDIT_RETENTION": days(0)})
def test_zero_keeps_the_trail_for_ever() -> None:
    event(days(4000))

    assert list(retention.prune_audit()) == []
    assert AuditEvent.objects.count() == 1


def test_an_ended_session_cannot_be_revived_or_edited(alice: User) -> None:
    phone = Phone().sign_in(alice)
    phone.ok("post", "/auth/logout")
    rows = UserSession.objects.filter(pk=phone.session.pk)

    for change in ({"is_active": True, "ended_at": None, "end_reason": ""}, {"device_name": "x"}):
        with pytest.raises(DatabaseError, match="never revived"), transaction.atomic():
            rows.update(**change)

    assert not phone.is_signed_in
