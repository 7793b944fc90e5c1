"""
Orders that must hold, each shown once and for certain: the late one waits for a lock.

The late one has read the rows as they were; what it does then must be right all the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts import tokens
from accounts.exceptions import InvalidCredentials, SessionEnded
from accounts.models import Attempt, AuditEvent, User, UserSession
from accounts.services.authentication import authenticate_access, verify_password
from accounts.services.sessions import EndReason, end_sessions, open_session, rotate
from tests.people import PASSWORD
from tests.races.barrier import overtake, race
from tests.services.test_rotation import wait_out_the_grace
from tests.services.test_sessions import APP, PHONE

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def session(alice: User) -> UserSession:
    """Alice's, just opened."""
    return open_session(alice, client=APP, device=PHONE)


def log_out(user: User, reason: EndReason = EndReason.LOGOUT_ALL) -> int:
    """End all of the user's sessions."""
    return end_sessions(UserSession.objects.of(user), reason=reason, actor=user)


def sign_in(user: User) -> UserSession:
    """Verify the password and open a session."""
    verified = verify_password(user.email, PASSWORD, device=PHONE)
    return open_session(verified, client=APP, device=PHONE)


def refresh(session: UserSession) -> tokens.TokenPair:
    """Rotate with the token of the generation that ``session`` has in memory."""
    return rotate(tokens.issue(session).refresh_token, device=PHONE)


def events(type_: str) -> int:
    """Return how often that is in the trail."""
    return AuditEvent.objects.filter(type=type_).count()


def test_a_refresh_that_a_logout_overtakes_is_refused(session: UserSession, alice: User) -> None:
    with pytest.raises(SessionEnded):
        overtake(lambda: refresh(session), lambda: log_out(alice))

    row = UserSession.objects.get()
    assert (row.end_reason, row.refresh_generation) == ("logout_all", 1)


def test_a_refresh_that_another_overtakes_gets_the_same_generation(session: UserSession) -> None:
    pair = overtake(lambda: refresh(session), lambda: refresh(session))

    assert tokens.read(pair.refresh_token, "refresh").generation == 2
    assert UserSession.objects.get().refresh_generation == 2
    assert events("token.reused") == 0


def test_a_refresh_that_two_others_overtake_does_not_turn_the_generations_back(
    session: UserSession,
) -> None:
    def twice() -> None:
        rotate(refresh(session).refresh_token, device=PHONE)

    with pytest.raises(SessionEnded):
        overtake(lambda: refresh(session), twice)

    row = UserSession.objects.get()
    assert (row.end_reason, row.refresh_generation) == ("token_reused", 3)


def test_a_late_retry_that_a_use_overtakes_is_stolen(session: UserSession) -> None:
    first, newer = tokens.issue(session).refresh_token, refresh(session)
    wait_out_the_grace(session)

    with pytest.raises(SessionEnded):
        overtake(
            lambda: rotate(first, device=PHONE), lambda: authenticate_access(newer.access_token)
        )

    assert UserSession.objects.get().end_reason == "token_reused"


def test_a_late_retry_that_another_overtakes_gets_the_same_generation(
    session: UserSession,
) -> None:
    first = tokens.issue(session).refresh_token
    refresh(session)
    wait_out_the_grace(session)

    def retry() -> int:
        pair = rotate(first, device=PHONE)
        authenticate_access(pair.access_token)
        return tokens.read(pair.refresh_token, "refresh").generation

    assert overtake(retry, retry) == 2

    assert UserSession.objects.get().is_active


def test_a_logout_that_another_overtakes_ends_nothing_more(
    session: UserSession, alice: User
) -> None:
    ended = overtake(lambda: log_out(alice), lambda: log_out(alice, EndReason.FORCED))

    assert ended == 0
    assert UserSession.objects.get().end_reason == "forced"
    assert events("session.ended") == 1


def test_a_logout_ends_the_session_of_the_sign_in_that_overtakes_it(
    session: UserSession, alice: User
) -> None:
    assert overtake(lambda: log_out(alice), lambda: sign_in(alice)) == 2

    assert not UserSession.objects.unended().exists()


def test_a_thief_whom_a_logout_overtakes_is_no_news(session: UserSession, alice: User) -> None:
    stolen = tokens.issue(session).refresh_token
    for generation in (1, 2):
        session.refresh_generation = generation
        refresh(session)

    with pytest.raises(SessionEnded):
        overtake(lambda: rotate(stolen, device=PHONE), lambda: log_out(alice))

    assert UserSession.objects.get().end_reason == "logout_all"
    assert (events("session.ended"), events("token.reused")) == (1, 0)


def test_a_request_that_a_logout_overtakes_does_not_touch_the_row(
    session: UserSession, alice: User
) -> None:
    long_ago = timezone.now() - timedelta(minutes=10)
    UserSession.objects.update(last_seen_at=long_ago)
    token = tokens.issue(session).access_token

    overtake(lambda: authenticate_access(token), lambda: log_out(alice))

    row = UserSession.objects.get()
    assert (row.is_active, row.last_seen_at) == (False, long_ago)
    with pytest.raises(SessionEnded):
        authenticate_access(token)


@pytest.mark.parametrize(
    "facts", [{"is_active": False}, {"password": make_password("a new password")}]
)
def test_a_sign_in_that_a_change_of_the_user_overtakes_is_refused(
    alice: User, bob: User, facts: dict[str, Any]
) -> None:
    def change() -> None:
        User.objects.filter(pk=alice.pk).update(**facts)
        log_out(alice)

    with pytest.raises(InvalidCredentials):
        overtake(lambda: sign_in(alice), change)

    assert not UserSession.objects.exists()
    assert sign_in(bob).is_active


def test_a_sign_in_of_a_user_who_is_being_deleted_is_refused(alice: User) -> None:
    with pytest.raises(InvalidCredentials):
        overtake(lambda: sign_in(alice), User.objects.filter(pk=alice.pk).delete)

    assert not UserSession.objects.exists()


def test_a_counter_that_is_forgiven_while_a_guess_waits_for_it_counts_anew(alice: User) -> None:
    def guess() -> None:
        verify_password(alice.email, "wrong", device=PHONE)

    with pytest.raises(InvalidCredentials):
        guess()
    counters = Attempt.objects.order_by("key").select_for_update()

    with pytest.raises(InvalidCredentials):
        overtake(guess, lambda: list(counters), then=Attempt.objects.all().delete)

    assert set(Attempt.objects.values_list("count", flat=True)) == {1}


def test_bob_waits_for_nobody(session: UserSession, alice: User, bob: User) -> None:
    def others_act() -> None:
        log_out(alice)
        race(lambda: log_out(bob), lambda: sign_in(bob))

    with transaction.atomic():
        others_act()

    assert UserSession.objects.of(bob).exists()
    assert not UserSession.objects.of(alice).unended().exists()
