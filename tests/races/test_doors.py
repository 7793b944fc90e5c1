"""Whoever is on the way in while a door is being shut: passwords, cookies, guessing."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from django.conf import settings

from accounts.models import Attempt, User, UserSession
from accounts.services import passwords, users
from tests.people import PASSWORD, Phone
from tests.races import acts
from tests.races.conftest import Person
from tests.races.course import Tally
from tests.races.holding import browser_of, events, reasons, sign_in, taken, unended
from tests.races.racers import Act, Racers, act

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

UNLIMITED = {"RATE_LIMITS": False}


def signing_in(user: User, password: str, seed: int, spread: float) -> list[Act]:
    """Return eight sign-ins, spread over a moment, so that some are before, some after."""
    pauses = random.Random(seed)
    return [
        act(acts.sign_in, user.email, password, pauses.uniform(0, spread)) for _login in range(8)
    ]


def test_no_sign_in_with_the_old_password_survives_its_change(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, bob = person("alice"), person("bob")
    his, logins, let_in, password = sign_in(bob), 0, 0, PASSWORD
    for number in tally.rounds(6, 125):
        [phone] = sign_in(alice)
        new = f"{PASSWORD} {number}"

        status, *opened = racers.race(
            act(acts.change_password, phone, password, new, 0.02),
            *signing_in(alice, password, number, 0.05),
            options=UNLIMITED,
        )

        assert status == 200
        held = [one for one in opened if isinstance(one, dict)]
        assert {one for one in opened if isinstance(one, int)} <= {401}
        assert reasons(held) <= {"password_changed"}
        assert taken(held) == 0
        assert acts.use(phone, 1) == [200]
        assert unended(alice) == 1
        acts.log_out(phone)
        alice.refresh_from_db()
        assert alice.check_password(new)
        password = new
        logins, let_in = logins + len(opened), let_in + len(held)
    assert taken(his) == 2
    tally.claim(
        "sign-ins with the old password racing its change",
        f"0 of {logins} survive; {let_in} were let in and ended",
    )


def test_no_sign_in_of_a_deactivated_user_survives(
    racers: Racers, person: Person, tally: Tally
) -> None:
    alice, bob = person("alice"), person("bob")
    his, logins, let_in = sign_in(bob), 0, 0
    for number in tally.rounds(6, 125):
        held = sign_in(alice)

        ended, *opened = racers.race(
            act(acts.deactivate, alice.email, 0.015),
            *signing_in(alice, PASSWORD, number, 0.04),
            options=UNLIMITED,
        )

        got = [one for one in opened if isinstance(one, dict)]
        assert {one for one in opened if isinstance(one, int)} <= {401}
        assert ended == len(got) + 1
        assert reasons([*held, *got]) == {"user_deactivated"}
        assert taken([*held, *got]) == 0
        logins, let_in = logins + len(opened), let_in + len(got)
        alice.refresh_from_db()
        users.activate(alice, actor=None, device=None)
        assert unended(alice) == 0
    assert taken(his) == 2
    tally.claim(
        "sign-ins racing a deactivation",
        f"0 of {logins} survive; {let_in} were let in and ended",
    )


def test_a_password_mail_opens_one_door_once(racers: Racers, person: Person, tally: Tally) -> None:
    alice = person("alice")
    for number in tally.rounds(3, 50):
        held = sign_in(alice)
        alice.refresh_from_db()
        link = passwords.reset_link_parts(alice)

        statuses = racers.race(
            *(act(acts.confirm_reset, *link, f"{PASSWORD} {number} {n}") for n in range(4))
        )

        assert Counter(statuses) == {200: 1, 400: 3}
        alice.refresh_from_db()
        assert alice.check_password(f"{PASSWORD} {number} {statuses.index(200)}")
        assert reasons(held) == {"password_reset"}
        assert taken(held) == 0


def test_a_cookie_does_not_outlive_a_logout(racers: Racers, person: Person, tally: Tally) -> None:
    alice, bob = person("alice"), person("bob")
    his, requests, logouts = browser_of(bob), 0, 0
    for _round in tally.rounds(5, 250):
        [phone], cookies = sign_in(alice), [browser_of(alice), browser_of(alice)]

        # Two tabs of each browser; in one of them somebody signs out by the page as well.
        status, left, *statuses = racers.race(
            act(acts.log_out, phone),
            act(acts.leave, cookies[0]),
            *(act(acts.browse, cookie, 3) for cookie in cookies * 2),
        )

        assert (status, left) in {(200, 302)}
        assert {status for racer in statuses for status in racer} <= {200, 302}
        assert UserSession.objects.of(alice).unended().count() == 0
        assert [acts.browse(cookie, 1) for cookie in cookies] == [[302], [302]]
        assert [ask_with(cookie) for cookie in cookies] == [401, 401]
        requests, logouts = requests + sum(map(len, statuses)), logouts + 1
    assert acts.browse(his, 1) == [200]
    tally.claim(
        "a cookie does not outlive a logout",
        f"0 of {2 * logouts} cookies taken after {logouts} logouts, {requests} requests in flight",
    )


def ask_with(cookie: str) -> int:
    """Ask the API with a browser's cookie; return the status."""
    phone = Phone()
    phone.client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    return int(phone.call("get", "/auth/profile").status_code)


@pytest.mark.parametrize("known", [True, False])
def test_of_parallel_guesses_no_more_than_the_limit_reach_the_hasher(
    racers: Racers, person: Person, tally: Tally, known: bool
) -> None:
    bob, guesses, most = person("bob"), 0, 0
    options = {"LOGIN_FAILURES_PER_ACCOUNT": 5, "LOGIN_FAILURES_PER_ADDRESS": 10_000}
    for number in tally.rounds(3, 50):
        victim = person("alice")
        email = victim.email if known else f"nobody{number}@example.com"

        answers = racers.race(*[act(acts.guess, email)] * 40, options=options)

        assert Counter(status for status, _hashed in answers) == {401: 5, 429: 35}
        hashed = sum(hashed for _status, hashed in answers)
        assert hashed == 5
        failures = events(victim, "login.failed"), events(victim, "login.locked_out")
        assert failures == (([None] * 5, [None]) if known else ([], []))
        guesses, most = guesses + len(answers), max(most, hashed)
    assert isinstance(acts.sign_in(bob.email, PASSWORD), dict)
    tally.claim(
        f"guessing in parallel at {'a known' if known else 'an unknown'} address, limit 5",
        f"at most {most} of 40 reach the hasher, {guesses} guesses",
    )


def test_of_parallel_guesses_at_many_accounts_the_limit_of_the_address_holds(
    racers: Racers, tally: Tally
) -> None:
    guesses, most = 0, 0
    for _round in tally.rounds(2, 50):
        Attempt.objects.all().delete()
        guessing = [act(acts.guess, f"nobody{number}@example.com") for number in range(40)]

        answers = racers.race(*guessing, options={"LOGIN_FAILURES_PER_ADDRESS": 7})

        assert Counter(status for status, _hashed in answers) == {401: 7, 429: 33}
        hashed = sum(hashed for _status, hashed in answers)
        assert hashed == 7
        guesses, most = guesses + len(answers), max(most, hashed)
    tally.claim(
        "guessing in parallel from one network address, limit 7",
        f"at most {most} of 40 reach the hasher, {guesses} guesses",
    )
