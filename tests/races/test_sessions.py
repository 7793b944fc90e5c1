"""Logouts, refreshes, requests and sign-ins of one user at once, from several processes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.utils import timezone

from accounts.models import UserSession
from tests.people import PASSWORD
from tests.races import acts
from tests.races.conftest import Person
from tests.races.course import Tally
from tests.races.holding import count_deadlocks, events, keep, reasons, sign_in, taken, unended
from tests.races.racers import Racers, act

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_a_late_refresh_cannot_outlive_a_logout(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, bob = person("alice"), person("bob")
    his, refreshes, logouts = sign_in(bob), 0, 0
    for _round in tally.rounds(10, 500):
        other, *phones = sign_in(alice, 4)

        status, *answers = racers.race(
            act(acts.log_out, other), *[act(acts.refresh, phone, 3) for phone in phones]
        )

        assert status == 200
        got = [answer for racer in answers for answer in racer]
        assert {status for status, _tokens in got} <= {200, 401}
        held = [other, *phones, *(tokens for _status, tokens in got)]
        assert reasons(held) == {"logout_all"}
        assert taken(held) == 0
        refreshes, logouts = refreshes + len(got), logouts + 1
    assert taken(his) == 2
    tally.claim(
        "a refresh in flight does not outlive a logout",
        f"0 tokens taken after {logouts} logouts against {refreshes} refreshes",
    )


def test_a_late_request_does_not_undo_a_logout(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, bob = person("alice"), person("bob")
    his, requests, logouts = sign_in(bob), 0, 0
    for _round in tally.rounds(6, 300):
        [phone] = sign_in(alice)
        # So that each of the requests has a use to note in the row.
        long_ago = timezone.now() - timedelta(minutes=10)
        UserSession.objects.of(alice).unended().update(last_seen_at=long_ago)

        status, *statuses = racers.race(
            act(acts.log_out, phone), *[act(acts.use, phone, 2) for _racer in range(5)]
        )

        assert status == 200
        assert {status for racer in statuses for status in racer} <= {200, 401}
        assert reasons([phone]) == {"logout_all"}
        assert taken([phone]) == 0
        requests, logouts = requests + sum(map(len, statuses)), logouts + 1
    assert taken(his) == 2
    tally.claim(
        "a request in flight does not undo a logout",
        f"0 of {logouts} logouts undone by {requests} requests",
    )


def test_fifty_refreshes_of_one_token_make_one_generation_and_all_succeed(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, rounds = person("alice"), 0
    [phone] = sign_in(alice)
    for generation in tally.rounds(2, 200):
        answers = racers.race(*[act(acts.refresh, phone)] * 50)

        got = [answer for [answer] in answers]
        assert Counter(status for status, _tokens in got) == {200: 50}
        row = UserSession.objects.of(alice).get()
        assert (row.is_active, row.refresh_generation) == (True, generation + 2)
        assert {acts.use(tokens, 1)[0] for _status, tokens in got[::10]} == {200}
        phone, rounds = got[0][1], rounds + 1
    assert events(alice, "token.reused") == []
    tally.claim(
        "50 parallel refreshes of one token",
        f"{rounds * 50} of {rounds * 50} succeed in {rounds} rounds, "
        "one generation each, one session",
    )


def test_two_logouts_at_once_are_one_act(racers: Racers, person: Person, tally: Tally) -> None:
    alice, bob = person("alice"), person("bob")
    his, pairs = sign_in(bob), 0
    for _round in tally.rounds(6, 200):
        phones = sign_in(alice, 4)

        statuses = racers.race(*(act(acts.log_out, phone) for phone in phones[:2]))

        # The one that is late may be told that it is signed out already.
        assert Counter(statuses)[200] >= 1
        assert set(statuses) <= {200, 401}
        assert taken(phones) == 0
        pairs += 1
        assert events(alice, "session.ended") == [4] * pairs
    assert taken(his) == 2
    tally.claim("two logouts at once are one act", f"{pairs} of {pairs} pairs")


def test_sign_ins_at_once_do_not_exceed_the_limit(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, bob = person("alice"), person("bob")
    signing_in = [act(acts.sign_in, user.email, PASSWORD) for user in (*[alice] * 8, bob)]
    logins = 0
    for number in tally.rounds(8, 250):
        opened = racers.race(*signing_in, options={"SESSIONS_PER_USER": 3})

        assert [type(one) for one in opened] == [dict] * 9
        assert (unended(alice), unended(bob)) == (3, min(3, number + 1))
        logins += 8
    # Those who stayed can go on, the others cannot.
    mine = UserSession.objects.of(alice)
    assert taken(keep(session) for session in mine.unended()) == 6
    assert set(mine.values_list("end_reason", flat=True)) == {"", "limit"}
    tally.claim(
        "sign-ins at once against a limit of sessions",
        f"never more than the 3 allowed after {logins} sign-ins, 8 at a time",
    )


def test_one_device_that_signs_in_twice_at_once_has_one_session(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, bob = person("alice"), person("bob")
    users = (alice, alice, alice, alice, bob)
    for _round in tally.rounds(4, 100):
        opened = racers.race(
            *(act(acts.sign_in, user.email, PASSWORD, device_id="device-1") for user in users)
        )

        assert [type(one) for one in opened] == [dict] * 5
        assert (unended(alice), unended(bob)) == (1, 1)


def test_sign_ins_that_renew_the_hash_all_succeed(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, old = person("alice"), PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1)
    for _round in tally.rounds(4, 100):
        alice.password = old
        alice.save()

        opened = racers.race(*[act(acts.sign_in, alice.email, PASSWORD)] * 4)

        assert [type(one) for one in opened] == [dict] * 4
        alice.refresh_from_db()
        assert alice.password.startswith("md5$")


def test_every_kind_of_end_at_once_ends_without_a_deadlock(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, bob, carol = person("alice"), person("bob"), person("carol", is_staff=True)
    carol.is_superuser = True
    carol.save()
    [staff], [his] = sign_in(carol), sign_in(bob)
    deadlocks, done = count_deadlocks(), Counter[str]()
    for seed in tally.rounds(3, 50):
        living = [
            act(acts.live, alice.email, PASSWORD, staff, 100 * seed + number, 20)
            for number in range(10)
        ]
        racing = racers.race(*living, options={"RATE_LIMITS": False})

        statuses = Counter(status for racer in racing for _act, status in racer)
        assert not statuses.keys() - {200, 400, 401, 404}, statuses
        done.update(name for racer in racing for name, _status in racer)
    assert set(done) == set(acts.ENDS)
    assert count_deadlocks() == deadlocks
    assert acts.use(his, 1) == [200]
    tally.claim(
        "every kind of end of one user's sessions at once",
        f"0 deadlocks, 0 errors in {done.total()} acts by 10 racers",
    )
