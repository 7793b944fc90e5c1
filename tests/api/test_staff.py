"""POST /auth/users/{id}/logout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission

from accounts.models import AuditEvent, User
from tests.people import Phone, assert_error

pytestmark = pytest.mark.django_db


def test_staff_signs_somebody_out_everywhere(
    alice: User, bob: User, carol: User, phone_of: Callable[..., Phone]
) -> None:
    phone, laptop, bobs, carols = (
        phone_of(alice),
        phone_of(alice, "laptop"),
        phone_of(bob),
        phone_of(carol),
    )

    data = carols.ok("post", f"/auth/users/{alice.pk}/logout")

    assert data == {"ended": 2}
    assert (phone.is_signed_in, laptop.is_signed_in) == (False, False)
    assert (bobs.is_signed_in, carols.is_signed_in) == (True, True)
    event = AuditEvent.objects.get(type="session.ended")
    assert (event.actor, event.actor_id, event.reason) == ("staff", str(carol.pk), "forced")
    assert event.session_id == carols.session.pk


def test_who_is_signed_in_nowhere_is_signed_out_without_a_trace(
    alice: User, carol: User, phone_of: Callable[..., Phone]
) -> None:
    carols = phone_of(carol)

    assert carols.ok("post", f"/auth/users/{alice.pk}/logout") == {"ended": 0}
    assert not AuditEvent.objects.filter(type="session.ended").exists()


def test_the_permission_is_enough_for_staff_and_worth_nothing_to_others(
    alice: User, bob: User, phone_of: Callable[..., Phone]
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    path = f"/auth/users/{alice.pk}/logout"
    assert_error(bobs.call("post", path), 403, "permission_denied")

    bob.user_permissions.add(Permission.objects.get(codename="end_usersession"))
    assert_error(bobs.call("post", path), 403, "permission_denied")
    assert phone.is_signed_in

    User.objects.filter(pk=bob.pk).update(is_staff=True)
    assert bobs.ok("post", path) == {"ended": 1}
    assert not phone.is_signed_in


def test_a_stranger_is_asked_for_credentials(alice: User) -> None:
    assert_error(Phone().call("post", f"/auth/users/{alice.pk}/logout"), 401, "not_authenticated")


@pytest.mark.parametrize(
    "key", ["01a203c5-c582-7764-8139-80644db6ac0b", "7", "x" * 300, "%00", "-1"]
)
def test_nobody_there_is_not_found(carol: User, phone_of: Callable[..., Phone], key: str) -> None:
    assert_error(phone_of(carol).call("post", f"/auth/users/{key}/logout"), 404, "not_found")
