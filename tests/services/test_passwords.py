"""A changed password ends what the old one opened, in one transaction, by every path."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from accounts.devices import Device
from accounts.exceptions import FieldInvalid, InvalidCredentials
from accounts.models import AuditEvent, User, UserSession
from accounts.services import passwords
from accounts.services.authentication import verify_password
from accounts.services.sessions import open_session
from accounts.services.users import activate, deactivate, delete_user
from tests.people import PASSWORD, Phone

pytestmark = pytest.mark.django_db

HERE = Device(ip_address="192.0.2.7", user_agent="tests")
NEW = "another horse, another battery"


def types() -> list[str]:
    """Return the types of the trail, oldest first, without the sign-ins."""
    events = AuditEvent.objects.exclude(type="session.started").order_by("id")
    return list(events.values_list("type", flat=True))


def test_a_change_without_a_session_of_ones_own_ends_them_all(alice: User) -> None:
    phone = Phone().sign_in(alice)

    passwords.change_password(alice, PASSWORD, NEW, session_id=None, device=HERE)

    assert not phone.is_signed_in
    assert verify_password(alice.email, NEW, device=HERE) == alice


def test_a_wrong_current_password_changes_nothing(alice: User) -> None:
    phone = Phone().sign_in(alice)

    with pytest.raises(FieldInvalid) as refused:
        passwords.change_password(alice, "wrong", NEW, session_id=None, device=HERE)

    assert refused.value.field == "current_password"
    assert phone.is_signed_in
    assert verify_password(alice.email, PASSWORD, device=HERE) == alice


def test_a_password_changed_meanwhile_is_not_overwritten(alice: User) -> None:
    stale = User.objects.get(pk=alice.pk)
    passwords.set_password(alice, NEW, actor=None, device=None)

    with pytest.raises(FieldInvalid) as refused:
        passwords.change_password(
            stale, PASSWORD, "a third one, long", session_id=None, device=HERE
        )

    assert refused.value.field == "current_password"
    assert verify_password(alice.email, NEW, device=HERE) == alice


def test_a_deleted_user_cannot_change_a_password(alice: User) -> None:
    stale = User.objects.get(pk=alice.pk)
    alice.delete()

    with pytest.raises(FieldInvalid):
        passwords.change_password(stale, PASSWORD, NEW, session_id=None, device=HERE)


def test_staff_sets_a_password_and_everything_ends(alice: User, bob: User, carol: User) -> None:
    phone, bobs = Phone().sign_in(alice), Phone().sign_in(bob)

    passwords.set_password(alice, NEW, actor=carol, device=HERE)

    assert not phone.is_signed_in
    assert bobs.is_signed_in
    event = AuditEvent.objects.get(type="password.changed")
    assert (event.actor, event.actor_id) == ("staff", str(carol.pk))
    assert phone.session.end_reason == "password_changed"


def test_staff_can_take_the_password_away(alice: User) -> None:
    passwords.set_password(alice, None, actor=None, device=None)

    alice.refresh_from_db()
    assert not alice.has_usable_password()
    with pytest.raises(InvalidCredentials):
        verify_password(alice.email, PASSWORD, device=HERE)


def test_a_mailed_link_is_good_once(alice: User) -> None:
    uid, token = passwords.reset_link_parts(alice)

    assert passwords.find_by_link(uid, token) == alice
    passwords.reset_password(uid, token, NEW, device=HERE)

    assert passwords.find_by_link(uid, token) is None
    with pytest.raises(FieldInvalid) as refused:
        passwords.reset_password(uid, token, "a third one, long", device=HERE)
    assert refused.value.field == "token"
    assert verify_password(alice.email, NEW, device=HERE) == alice
    assert types() == ["password.reset"]


@pytest.mark.parametrize("uid", ["", "!!!", "AAAA", "MQ", "_____w"], ids=repr)
def test_a_made_up_link_finds_nobody(alice: User, uid: str) -> None:
    _uid, token = passwords.reset_link_parts(alice)

    assert passwords.find_by_link(uid, token) is None
    with pytest.raises(FieldInvalid):
        passwords.reset_password(uid, token, NEW, device=HERE)


def test_a_link_is_no_good_for_another_user_nor_for_an_inactive_one(alice: User, bob: User) -> None:
    _uid, token = passwords.reset_link_parts(alice)
    bobs_uid, _token = passwords.reset_link_parts(bob)
    alices_uid = passwords.reset_link_parts(alice)[0]

    assert passwords.find_by_link(bobs_uid, token) is None

    deactivate(alice, actor=None, device=None)
    assert passwords.find_by_link(alices_uid, token) is None


def test_a_refused_new_password_leaves_the_link_good(alice: User) -> None:
    uid, token = passwords.reset_link_parts(alice)

    with pytest.raises(FieldInvalid) as refused:
        passwords.reset_password(uid, token, "123", device=HERE)

    assert refused.value.field == "new_password"
    assert passwords.find_by_link(uid, token) == alice


def test_a_sign_in_with_the_old_password_cannot_slip_past_a_change(alice: User) -> None:
    verified = verify_password(alice.email, PASSWORD, device=HERE)
    passwords.change_password(alice, PASSWORD, NEW, session_id=None, device=HERE)

    with pytest.raises(InvalidCredentials):
        open_session(verified, client=UserSession.Client.APP, device=HERE)

    assert not UserSession.objects.exists()


def test_deactivating_and_activating_are_each_one_event(alice: User, carol: User) -> None:
    phone = Phone().sign_in(alice)

    ended = [deactivate(alice, actor=carol, device=HERE) for _time in range(2)]
    for _time in range(2):
        activate(alice, actor=carol, device=HERE)

    assert ended == [1, 0]
    assert types() == ["user.deactivated", "session.ended", "user.activated"]
    assert not phone.is_signed_in
    assert verify_password(alice.email, PASSWORD, device=HERE) == alice


def test_deleting_a_user_leaves_the_trail(alice: User, carol: User) -> None:
    phone, key = Phone().sign_in(alice), str(alice.pk)

    delete_user(alice, actor=carol, device=HERE)

    assert not get_user_model().objects.filter(pk=key).exists()
    assert not phone.is_signed_in
    ended = AuditEvent.objects.get(type="session.ended")
    assert (ended.user_id, ended.count, ended.reason) == (key, 1, "user_deactivated")
