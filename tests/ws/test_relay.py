from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import (
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    transaction,
)
from django.utils import timezone
from prometheus_client import REGISTRY

from accounts import notifications
from accounts.models import User, UserSession
from accounts.services.users import deactivate
from accounts.ws import consumers, relay, rows
from tests.people import Phone
from tests.ws.conftest import Database
from tests.ws.ears import CHANGED, PATIENCE, Ear, Loop, bearer, ended, ready, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PhoneOf = Callable[..., Phone]
EarOf = Callable[[Phone], Ear]
Configure = Callable[..., None]


def assert_told(ear: Ear, phone: Phone, reason: str) -> None:
    """Assert that the socket hears how its session ended, and is closed."""
    assert ear.hears() == ended(phone.session)
    assert ear.hears() == 4401
    assert phone.session.end_reason == reason


def lose_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every notice of this process get lost, whatever it would have gone through."""
    monkeypatch.setattr(notifications, "sessions_changed", lambda *_users, **_more: None)


def test_signing_out_everywhere_tells_and_closes_every_socket(
    alice: User, bob: User, phone_of: PhoneOf, ear_of: EarOf
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    ears = [ear_of(phone), ear_of(phone), ear_of(tablet)]
    bobs_ear = ear_of(bobs)

    phone.ok("post", "/auth/logout")

    for ear, device in zip(ears, [phone, phone, tablet], strict=True):
        assert_told(ear, device, "logout_all")
        assert ear.hears_nothing()
    assert bobs_ear.hears_nothing()


def test_signing_out_here_is_news_elsewhere(
    alice: User, bob: User, phone_of: PhoneOf, ear_of: EarOf
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    ear, tablets_ear, bobs_ear = ear_of(phone), ear_of(tablet), ear_of(bobs)

    phone.ok("post", "/auth/logout/current")

    assert_told(ear, phone, "logout")
    assert tablets_ear.hears() == CHANGED
    assert tablets_ear.hears_nothing()
    assert bobs_ear.hears_nothing()


def test_signing_out_the_others_spares_the_socket_of_the_one_that_asks(
    alice: User, bob: User, phone_of: PhoneOf, ear_of: EarOf
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    ear, tablets_ear, bobs_ear = ear_of(phone), ear_of(tablet), ear_of(bobs)

    phone.ok("post", "/auth/logout/others")

    assert_told(tablets_ear, tablet, "logout_others")
    assert ear.hears() == CHANGED
    assert bobs_ear.hears_nothing()


def test_a_session_ended_from_another_device_is_told_why(
    alice: User, bob: User, phone_of: PhoneOf, ear_of: EarOf
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    ear, bobs_ear = ear_of(tablet), ear_of(bobs)

    phone.ok("delete", f"/auth/sessions/{tablet.session.pk}")
    bobs.call("delete", f"/auth/sessions/{phone.session.pk}")

    assert_told(ear, tablet, "revoked")
    assert bobs_ear.hears_nothing()


def test_a_user_who_is_deactivated_hears_it(
    alice: User, bob: User, phone_of: PhoneOf, ear_of: EarOf
) -> None:
    phone = phone_of(alice)
    ear, bobs_ear = ear_of(phone), ear_of(phone_of(bob))

    deactivate(alice, actor=None, device=None)

    assert_told(ear, phone, "user_deactivated")
    assert bobs_ear.hears_nothing()


def test_a_sign_in_is_news_to_the_users_other_devices(
    alice: User, bob: User, phone_of: PhoneOf, ear_of: EarOf
) -> None:
    ear, bobs_ear = ear_of(phone_of(alice)), ear_of(phone_of(bob))

    phone_of(alice)

    assert ear.hears() == CHANGED
    assert bobs_ear.hears_nothing()


def test_a_burst_of_notices_costs_few_questions_and_few_messages(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, loop: Loop, database: Database
) -> None:
    ears = [ear_of(phone_of(alice)) for _ in range(3)]
    for ear in ears:
        ear.settles()
    here = loop.call(relay.of_this_process)
    database.questions.clear()

    def burst() -> None:
        for _ in range(100):
            here.heard(str(alice.pk))
            here.heard("nobody")

    loop.call(burst)

    assert [ear.hears() for ear in ears] == [CHANGED] * 3
    assert all(ear.hears_nothing() for ear in ears)
    assert len(database.questions) == 1


def test_what_a_lost_notice_did_not_tell_is_found_by_looking(
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)
    configure(ws_recheck_interval=timedelta(seconds=0.2))
    ear, tablets_ear, bobs_ear = ear_of(phone), ear_of(tablet), ear_of(phone_of(bob))
    lose_notices(monkeypatch)

    phone.ok("post", "/auth/logout/current")

    assert_told(ear, phone, "logout")
    assert tablets_ear.hears() == CHANGED
    assert bobs_ear.hears_nothing()


def test_rows_that_changed_behind_the_services_back_are_found_by_looking(
    alice: User, bob: User, carol: User, phone_of: PhoneOf, ear_of: EarOf, configure: Configure
) -> None:
    configure(ws_recheck_interval=timedelta(seconds=0.2))
    deleted, idle, inactive = phone_of(alice), phone_of(alice), phone_of(bob)
    session = deleted.session
    last_seen_at = timezone.now() - timedelta(days=14)
    spared = ear_of(phone_of(carol))
    ears = [ear_of(deleted), ear_of(idle), ear_of(inactive)]

    with transaction.atomic():
        UserSession.objects.filter(pk=idle.session.pk).update(last_seen_at=last_seen_at)
        User.objects.filter(pk=bob.pk).update(is_active=False)
        session.delete()

    reasons = ["revoked", "expired", "user_deactivated"]
    assert [ear.hears()["reason"] for ear in ears] == reasons
    assert [ear.hears() for ear in ears] == [4401] * 3
    assert spared.hears_nothing()


def test_all_sockets_are_looked_at_with_one_question(
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    database: Database,
    loop: Loop,
) -> None:
    for ear in [ear_of(phone_of(user)) for user in (alice, alice, bob)]:
        ear.settles()
    here = loop.call(relay.of_this_process)
    database.questions.clear()

    loop.call(here._look_now.set)

    assert wait_for(lambda: bool(database.questions))
    time.sleep(0.1)
    assert len(database.questions) == 1


def test_many_rows_are_asked_for_in_chunks(
    alice: User,
    phone_of: PhoneOf,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    monkeypatch.setattr(rows, "CHUNK", 2)
    phones = [phone_of(alice) for _ in range(3)]
    phones[2].ok("post", "/auth/logout/current")
    keys = [phone.session.pk for phone in phones]

    with django_assert_num_queries(2):
        found = rows.endings(keys)

    assert set(found) == {keys[2]}


def test_while_the_database_is_away_sockets_stay_and_are_told_afterwards(
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    configure: Configure,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure(ws_recheck_interval=timedelta(seconds=0.1))
    phone = phone_of(alice)
    ear, bobs_ear = ear_of(phone), ear_of(phone_of(bob))
    database.instead = database.is_away

    phone.ok("post", "/auth/logout")

    assert ear.hears_nothing()
    database.instead = database.answers
    assert_told(ear, phone, "logout_all")
    assert bobs_ear.hears_nothing()
    assert caplog.text.count("Sockets cannot ask the database") == 1


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_who_connects_while_the_database_is_away_is_asked_to_come_again(
    alice: User,
    phone_of: PhoneOf,
    open_ear: Callable[..., Ear],
    database: Database,
    error: type[Exception],
) -> None:
    phone = phone_of(alice)
    database.error = error
    database.instead = database.is_away

    ear = open_ear(bearer(phone))

    assert ear.hears() == 1013
    database.instead = database.answers
    assert open_ear(bearer(phone)).hears() == ready(phone.session)


def test_a_database_that_hangs_keeps_nobody_waiting_for_ever(
    alice: User,
    phone_of: PhoneOf,
    open_ear: Callable[..., Ear],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumers, "HANDSHAKE_PATIENCE", 0.1)
    phone = phone_of(alice)
    released = threading.Event()

    def hang() -> None:
        released.wait(10)

    database.instead = hang

    crowd = [open_ear(bearer(phone)) for _ in range(6)]
    waited_in_vain = crowd[-1].hears()
    released.set()

    assert waited_in_vain == 1013


def test_an_error_nobody_thought_of_does_not_end_the_relay(
    alice: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    configure: Configure,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure(ws_recheck_interval=timedelta(seconds=0.1))
    phone = phone_of(alice)
    ear = ear_of(phone)

    def break_() -> None:
        raise ValueError("nobody thought of this")

    database.instead = break_
    phone.ok("post", "/auth/logout")
    assert wait_for(lambda: "nobody thought of this" in caplog.text)
    database.instead = database.answers

    assert_told(ear, phone, "logout_all")
    assert "The relay met an error and goes on" in caplog.text


def test_one_user_cannot_take_all_the_room(
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    open_ear: Callable[..., Ear],
    configure: Configure,
) -> None:
    configure(ws_sockets_per_user=2)
    phone, bobs = phone_of(alice), phone_of(bob)
    first, _second = ear_of(phone), ear_of(phone)

    one_too_many, bobs_ear = open_ear(bearer(phone)), open_ear(bearer(bobs))

    assert one_too_many.hears() == 1013
    assert bobs_ear.hears() == ready(bobs.session)
    first.leaves()
    assert ear_of(phone).is_accepted


def test_a_process_takes_no_more_sockets_than_it_is_allowed(
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    open_ear: Callable[..., Ear],
    configure: Configure,
    loop: Loop,
) -> None:
    configure(ws_sockets_per_process=1)
    ear = ear_of(phone_of(alice))
    phone = phone_of(bob)

    assert open_ear(bearer(phone)).hears() == 1013

    ear.leaves()
    assert open_ear(bearer(phone)).hears() == ready(phone.session)
    assert len(loop.call(relay.of_this_process)) == 1


def test_open_sockets_are_counted(alice: User, phone_of: PhoneOf, ear_of: EarOf) -> None:
    before = open_sockets()
    ear = ear_of(phone_of(alice))
    during = open_sockets()

    ear.leaves()

    assert (during - before, open_sockets() - before) == (1, 0)


def open_sockets() -> float:
    """Return the figure that Prometheus is told."""
    return REGISTRY.get_sample_value("accounts_sockets_open") or 0.0


def test_zero_means_no_limit(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, configure: Configure, loop: Loop
) -> None:
    configure(ws_sockets_per_process=0, ws_sockets_per_user=0)
    phone = phone_of(alice)

    for _ in range(3):
        ear_of(phone)

    assert len(loop.call(relay.of_this_process)) == 3


@pytest.mark.parametrize("moment", ["instead", "afterwards"])
def test_an_end_while_a_socket_is_opened_is_not_missed(
    alice: User,
    phone_of: PhoneOf,
    open_ear: Callable[..., Ear],
    database: Database,
    moment: str,
) -> None:
    phone = phone_of(alice)
    first = ready(phone.session)
    meanwhile = [lambda: phone.ok("post", "/auth/logout")]

    def end_once() -> None:
        if meanwhile and database.is_asked_by("handshake"):
            thread = threading.Thread(target=elsewhere, args=[meanwhile.pop()])
            thread.start()
            thread.join()
            time.sleep(0.2)

    setattr(database, moment, end_once)

    ear = open_ear(bearer(phone))

    if moment == "afterwards":
        assert ear.hears() == first
    assert ear.hears() == ended(phone.session)
    assert ear.hears() == 4401


def elsewhere(act: Callable[[], object]) -> None:
    """Do something in another thread, which has a connection of its own."""
    act()
    connections.close_all()


@pytest.mark.parametrize("turns", range(5))
def test_a_relay_that_is_to_stop_as_it_is_to_look_stops(loop: Loop, turns: int) -> None:
    here = loop.call(relay.Relay)

    async def stop() -> bool:
        looking = asyncio.create_task(here._look())
        await asyncio.sleep(0.01)
        here._look_now.set()
        for _turn in range(turns):
            await asyncio.sleep(0)
        looking.cancel()
        await asyncio.wait([looking], timeout=PATIENCE)
        return looking.cancelled()

    assert loop.run(stop())
