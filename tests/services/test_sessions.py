"""A session's life at the services: opened, limited, ended once and for good, given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import make_password
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from accounts import notifications, signals, tokens, user_cache
from accounts.devices import Device
from accounts.exceptions import InvalidCredentials
from accounts.models import AuditEvent, User, UserManager, UserSession
from accounts.services.sessions import EndReason, end_sessions, open_session, revoke
from tests.faults.caches import WATCHING, WatchingCache
from tests.people import Phone

PHONE = Device("192.0.2.1", "an agent", "phone", "")
APP = UserSession.Client.APP
ALL = UserSession.objects.all


def sign_in(user: User, device_id: str = "", name: str = "phone") -> UserSession:
    """Open a session."""
    device = Device("192.0.2.1", "an agent", name, device_id)
    return open_session(user, client=APP, device=device)


def reasons(user: User) -> list[str]:
    """Return why the user's sessions ended, in the order in which they were opened."""
    return list(UserSession.objects.of(user).order_by("pk").values_list("end_reason", flat=True))


def trail(*fields: str) -> list[Any]:
    """Return what the trail says, in the order of time."""
    return list(AuditEvent.objects.order_by("pk").values_list(*fields))


@pytest.fixture
def told() -> Iterator[list[tuple[str, Any]]]:
    """What the signals and this process' listeners say, in their order."""
    said: list[tuple[str, Any]] = []

    def opened(session: UserSession, **_rest: object) -> None:
        said.append(("opened", session.pk))

    def ended(user_id: str, reason: str, ended: int, **_rest: object) -> None:
        said.append(("ended", (user_id, reason, ended)))

    stop = notifications.listen(lambda user_id: said.append(("notice", user_id)))
    signals.session_opened.connect(opened)
    signals.sessions_ended.connect(ended)
    yield said
    signals.session_opened.disconnect(opened)
    signals.sessions_ended.disconnect(ended)
    stop()


# Opening


def test_an_open_session_is_a_row_that_says_who_where_and_until_when(alice: User) -> None:
    device = Device("2001:db8::7", "an agent", "Alice's phone", "device-1")

    session = open_session(alice, client=UserSession.Client.BROWSER, device=device)

    row = UserSession.objects.get()
    assert (row.pk, row.user, row.client) == (session.pk, alice, "browser")
    assert (row.ip_address, row.user_agent) == ("2001:db8::7", "an agent")
    assert (row.device_name, row.device_id) == ("Alice's phone", "device-1")
    assert row.expires_at - row.created_at == timedelta(days=30)
    assert row.last_seen_at == row.created_at
    assert (row.refresh_generation, row.used_generation, row.rotated_at) == (1, 1, None)
    assert trail("type", "user_id", "session_id") == [("session.started", str(alice.pk), row.pk)]


@pytest.mark.parametrize(
    "change",
    [
        lambda users: users.update(password=make_password("a new password")),
        lambda users: users.update(is_active=False),
        lambda users: users.delete(),
    ],
)
def test_what_was_verified_must_still_be_so(alice: User, change: Callable[[Any], object]) -> None:
    verified = User.objects.get(pk=alice.pk)
    change(User.objects.filter(pk=alice.pk))

    with pytest.raises(InvalidCredentials):
        sign_in(verified)

    assert not UserSession.objects.exists()
    assert not AuditEvent.objects.exists()


def test_signing_in_again_replaces_the_session_of_the_same_device_only(
    alice: User, bob: User
) -> None:
    for user in (alice, bob):
        sign_in(user, "device-1")
    sign_in(alice, "device-2")

    sign_in(alice, "device-1")

    assert reasons(alice) == ["replaced", "", ""]
    assert reasons(bob) == [""]
    assert trail("type", "reason", "actor")[-2:] == [
        ("session.ended", "replaced", "self"),
        ("session.started", "", "self"),
    ]


def test_devices_that_do_not_say_which_they_are_replace_nothing(alice: User) -> None:
    sign_in(alice)
    sign_in(alice)

    assert reasons(alice) == ["", ""]


def limit(settings: Settings, sessions: int) -> None:
    """Allow so many sessions to a user."""
    settings.ACCOUNTS = {**settings.ACCOUNTS, "SESSIONS_PER_USER": sessions}


def test_over_the_limit_the_least_recently_used_session_makes_room(
    settings: Settings, alice: User, bob: User
) -> None:
    limit(settings, 2)
    sign_in(bob)
    used, unused = sign_in(alice), sign_in(alice)
    UserSession.objects.filter(pk=used.pk).update(
        last_seen_at=timezone.now() + timedelta(seconds=1)
    )

    sign_in(alice)

    assert reasons(alice) == ["", "limit", ""]
    assert UserSession.objects.get(pk=unused.pk).ended_by_id == ""
    assert reasons(bob) == [""]
    assert ("session.ended", "limit", "system", 1) in trail("type", "reason", "actor", "count")


def test_a_lowered_limit_is_met_at_the_next_sign_in(settings: Settings, alice: User) -> None:
    for _device in range(4):
        sign_in(alice)
    limit(settings, 1)

    sign_in(alice)

    assert reasons(alice) == ["limit"] * 4 + [""]


def test_a_replaced_session_makes_room_enough(settings: Settings, alice: User) -> None:
    limit(settings, 2)
    sign_in(alice, "device-1")
    sign_in(alice, "device-2")

    sign_in(alice, "device-2")

    assert reasons(alice) == ["", "replaced", ""]


def test_zero_is_no_limit(settings: Settings, alice: User) -> None:
    limit(settings, 0)

    for _device in range(3):
        sign_in(alice)

    assert reasons(alice) == [""] * 3


def test_a_sign_in_is_told_after_the_commit(
    alice: User,
    told: list[tuple[str, Any]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    settings: Settings,
) -> None:
    settings.CACHES = WATCHING
    with django_capture_on_commit_callbacks(execute=True):
        session = sign_in(alice)
        assert told == []

    assert told == [("notice", str(alice.pk)), ("opened", session.pk)]


def test_a_sign_in_asks_the_database_so_often(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Begin, lock, look for what it takes the place of, insert, insert, commit.
    with django_assert_num_queries(6):
        sign_in(alice)

    with django_assert_num_queries(6):
        sign_in(alice, "device-1")

    # What it does take the place of: lock, update, insert.
    with django_assert_num_queries(9):
        sign_in(alice, "device-1")


# Ending


def end(user: User, *, actor: User | None, reason: EndReason = EndReason.LOGOUT_ALL) -> int:
    """End all of a user's sessions."""
    return end_sessions(UserSession.objects.of(user), reason=reason, actor=actor, device=PHONE)


def test_an_end_ends_every_session_of_the_user_and_none_of_bobs(
    alice: User, bob: User, phone_of: Callable[..., Phone]
) -> None:
    phones = [phone_of(alice, "phone"), phone_of(alice, "laptop")]
    his = phone_of(bob)

    assert end(alice, actor=alice) == 2

    assert reasons(alice) == ["logout_all"] * 2
    assert not any(phone.is_signed_in for phone in phones)
    assert [phone.refresh().status_code for phone in phones] == [401, 401]
    assert his.is_signed_in
    assert trail("user_id", "type", "reason", "actor", "count")[-1] == (
        *(str(alice.pk), "session.ended", "logout_all", "self", 2),
    )


def test_an_end_names_who_asked(alice: User, carol: User) -> None:
    sign_in(alice)

    end(alice, actor=carol, reason=EndReason.FORCED)

    row = UserSession.objects.get()
    assert (row.ended_by_id, row.end_reason) == (str(carol.pk), "forced")
    assert row.ended_at is not None
    assert trail("actor", "actor_id")[-1] == ("staff", str(carol.pk))


def test_what_has_ended_is_neither_edited_nor_counted(alice: User, carol: User) -> None:
    sign_in(alice)
    end(alice, actor=alice)
    before = UserSession.objects.values().get()
    sign_in(alice)

    assert end(alice, actor=carol, reason=EndReason.FORCED) == 1
    assert end(alice, actor=carol, reason=EndReason.FORCED) == 0

    assert UserSession.objects.order_by("pk").values()[0] == before
    assert len(trail("pk")) == 4


def test_an_expired_session_can_be_ended(alice: User) -> None:
    sign_in(alice)
    UserSession.objects.update(expires_at=timezone.now() - timedelta(days=1))

    assert end(alice, actor=None, reason=EndReason.EXPIRED) == 1


def test_ending_nothing_leaves_no_trace(
    alice: User, told: list[tuple[str, Any]], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert end(alice, actor=alice) == 0

    assert told == []
    assert trail("pk") == []


def test_the_sessions_of_several_users_end_in_one_act_with_an_event_each(
    alice: User, bob: User, carol: User, told: list[tuple[str, Any]], settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    for user in (alice, alice, bob):
        sign_in(user)
    settings.CACHES = WATCHING

    with django_capture_on_commit_callbacks(execute=True):
        ended = end_sessions(ALL(), reason=EndReason.FORCED, actor=carol)

    assert ended == 3
    facts = {(str(alice.pk), "forced", 2), (str(bob.pk), "forced", 1)}
    assert set(trail("user_id", "reason", "count")[-2:]) == facts
    assert {said for kind, said in told if kind == "ended"} == facts
    assert {said for kind, said in told if kind == "notice"} == {str(alice.pk), str(bob.pk)}


def test_an_incident_is_one_event_and_everybody_is_told(
    alice: User, bob: User, carol: User, told: list[tuple[str, Any]], settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    for user in (alice, alice, bob):
        sign_in(user)
    settings.CACHES = WATCHING

    with django_capture_on_commit_callbacks(execute=True):
        ended = end_sessions(ALL(), reason=EndReason.INCIDENT, actor=carol)

    assert ended == 3
    assert trail("user_id", "reason", "count", "actor")[-1] == ("", "incident", 3, "staff")
    assert {said for kind, said in told if kind == "notice"} == {str(alice.pk), str(bob.pk)}
    assert {said for kind, said in told if kind == "ended"} == {
        (str(alice.pk), "incident", 2),
        (str(bob.pk), "incident", 1),
    }


@pytest.mark.parametrize(("sessions", "users", "queries"), [(1, 1, 3), (40, 1, 3), (4, 2, 4)])
def test_an_end_costs_the_same_however_many_there_are(
    alice: User, bob: User, sessions: int, users: int, queries: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    for user in [alice, bob][:users]:
        for _session in range(sessions):
            sign_in(user)

    with django_assert_num_queries(queries):
        assert end_sessions(ALL(), reason=EndReason.INCIDENT, actor=None) == sessions * users


def test_a_user_whom_the_projects_manager_hides_can_be_signed_out(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(alice)
    User.objects.update(is_active=False)

    class ActiveUsers(UserManager):
        def get_queryset(self) -> Any:
            return super().get_queryset().filter(is_active=True)

    hiding = ActiveUsers()
    hiding.model = User
    monkeypatch.setitem(User._meta.__dict__, "default_manager", hiding)
    assert not User._default_manager.exists()

    assert end(alice, actor=None, reason=EndReason.USER_DEACTIVATED) == 1


def test_an_act_that_is_given_up_is_told_to_nobody(
    alice: User, told: list[tuple[str, Any]], settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    sign_in(alice)
    settings.CACHES = WATCHING
    WatchingCache.seen.clear()

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        end(alice, actor=alice)
        transaction.set_rollback(True)

    assert reasons(alice) == [""]
    assert told == []
    assert WatchingCache.seen == []


@pytest.mark.django_db(transaction=True)
def test_the_cache_is_cleared_when_everybody_sees_the_sessions_ended(
    alice: User, bob: User, settings: Settings, told: list[tuple[str, Any]]
) -> None:
    for user in (alice, alice, bob):
        sign_in(user)
    told.clear()
    settings.CACHES = WATCHING
    WatchingCache.seen.clear()
    user_cache.store(user_cache.PROFILE, alice.pk, {"name": "Alice"})

    end(alice, actor=alice)

    [(in_transaction, active_elsewhere)] = WatchingCache.seen
    assert not in_transaction
    assert active_elsewhere == 1
    rebuilt = user_cache.remember(user_cache.PROFILE, alice.pk, dict, fields=frozenset({"name"}))
    assert rebuilt == {}
    assert told == [
        ("notice", str(alice.pk)),
        ("ended", (str(alice.pk), "logout_all", 2)),
    ]


@pytest.mark.django_db(transaction=True)
def test_within_a_hosts_transaction_the_cache_waits_for_its_end(
    alice: User, settings: Settings
) -> None:
    sign_in(alice)
    settings.CACHES = WATCHING
    WatchingCache.seen.clear()

    with transaction.atomic():
        end(alice, actor=alice)
        assert WatchingCache.seen == []

    assert WatchingCache.seen == [(False, 0)]


@pytest.mark.django_db(transaction=True)
def test_a_host_whose_receiver_fails_has_its_act_and_the_other_receivers(
    alice: User, told: list[tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_facts: object) -> None:
        raise RuntimeError("a host's bug")

    sign_in(alice)
    signals.sessions_ended.connect(fail)

    ended = end(alice, actor=alice)

    signals.sessions_ended.disconnect(fail)
    assert ended == 1
    assert reasons(alice) == ["logout_all"]
    assert told[-1] == ("ended", (str(alice.pk), "logout_all", 1))
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.fixture
def broken_trail(transactional_db: None) -> Iterator[None]:
    """The database takes no event of a session's end."""
    on_sqlite = connection.vendor == "sqlite"
    make, undo = (
        (
            "CREATE TRIGGER broken BEFORE INSERT ON audit_events "
            "WHEN NEW.type = 'session.ended' BEGIN SELECT RAISE(ABORT, 'broken'); END",
            "DROP TRIGGER broken",
        )
        if on_sqlite
        else (
            "ALTER TABLE audit_events ADD CONSTRAINT broken CHECK (type <> 'session.ended')",
            "ALTER TABLE audit_events DROP CONSTRAINT broken",
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(make)
    yield
    with connection.cursor() as cursor:
        cursor.execute(undo)


@pytest.mark.usefixtures("broken_trail")
def test_an_end_that_cannot_be_recorded_does_not_happen(
    alice: User, told: list[tuple[str, Any]]
) -> None:
    sign_in(alice)
    told.clear()

    with pytest.raises(DatabaseError, match="broken"):
        end(alice, actor=alice)

    assert reasons(alice) == [""]
    assert told == []


@pytest.mark.usefixtures("broken_trail")
def test_a_sign_in_that_replaces_a_session_happens_whole_or_not_at_all(alice: User) -> None:
    sign_in(alice, "device-1")

    with pytest.raises(DatabaseError, match="broken"):
        sign_in(alice, "device-1")

    assert reasons(alice) == [""]


# Giving a token back


def test_a_token_of_either_kind_and_any_age_ends_its_session(
    alice: User, bob: User, settings: Settings, phone_of: Callable[..., Phone]
) -> None:
    phones = [phone_of(alice) for _phone in range(3)]
    his = phone_of(bob)
    given = [phones[0].tokens["access_token"], phones[1].tokens["refresh_token"]]
    given.append(phones[2].tokens["refresh_token"])
    phones[2].refresh()
    expired = timezone.now() - timedelta(days=60)
    old = tokens.issue(UserSession.objects.get(pk=phones[0].session.pk), now=expired)

    for token in [*given, old.access_token]:
        revoke(token, device=PHONE)

    assert reasons(alice) == ["revoked"] * 3
    assert not any(phone.is_signed_in for phone in phones)
    assert his.is_signed_in
    ends = AuditEvent.objects.filter(type="session.ended").order_by("pk")
    assert [event.session_id for event in ends] == [phone.session.pk for phone in phones]
    assert {(event.actor, event.count) for event in ends} == {("self", 1)}


def test_only_an_expired_token_is_enough_to_give_a_session_back(alice: User) -> None:
    session = sign_in(alice)
    issued_long_ago = tokens.issue(session, now=timezone.now() - timedelta(days=300))

    revoke(issued_long_ago.access_token, device=PHONE)

    assert reasons(alice) == ["revoked"]


def test_what_is_no_token_of_anybodys_ends_nothing(alice: User, bob: User) -> None:
    session = sign_in(alice)
    strangers = UserSession(pk=session.pk, user=bob, expires_at=session.expires_at)
    unknown = UserSession(pk=uuid4(), user=alice, expires_at=session.expires_at)

    for token in ("", "a.b.c", *(tokens.issue(s).access_token for s in (strangers, unknown))):
        revoke(token, device=PHONE)

    assert reasons(alice) == [""]
    assert trail("type") == [("session.started",)]
