"""A bad network signs nobody out who keeps the rules; who breaks them is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
import time_machine
from django.utils import timezone

from accounts.models import AuditEvent, User
from tests.fleet.phones import App, DoesNotWaitItsTurn, Phone, RemembersItsOwn, UsesBeforeItStores
from tests.fleet.world import Network, World
from tests.races.course import Tally

pytestmark = pytest.mark.django_db

BAD = Network()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still between events."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


def simulate(
    clock: time_machine.Traveller,
    phones: int,
    acts: int,
    *,
    app_class: type[App] = App,
    network: Network = BAD,
    seed: int = 0,
) -> World:
    """Let so many phones, every third with two tabs, do so many acts each, on average."""
    world = World(clock, seed, network)
    users = User.objects.bulk_create(
        User(email=f"fleet{seed}-{number}@example.com") for number in range(phones)
    )
    for number, user in enumerate(users):
        Phone(world, user, app_class, apps=2 if number % 3 == 0 else 1)
    world.run(lambda: world.happened["acts"] >= phones * acts)
    return world


def signed_out(world: World) -> int:
    """Return how many sessions ended although nobody had ended them."""
    rightly = {"ended: logout_all", "ended: expired"}
    ended = {name for name in world.happened if name.startswith("ended: ")}
    return sum(world.happened[name] for name in ended - rightly)


def test_a_bad_network_signs_nobody_out_who_keeps_the_rules(
    clock: time_machine.Traveller, tally: Tally
) -> None:
    happened = Counter[str]()
    for seed in tally.rounds(1, 10):
        world = simulate(clock, 100, 30 if tally.is_full else 9, seed=seed)

        assert signed_out(world) == 0
        assert world.happened["ended: logout_all"]
        happened.update(world.happened)
    assert not AuditEvent.objects.filter(type="token.reused").exists()
    harm = ("requests lost", "requests doubled", "answers lost", "answers doubled", "answers late")
    assert all(happened[name] for name in (*harm, "apps killed"))
    tally.claim(
        "phones that keep the rules, over a bad network",
        f"0 of {happened['phones']} signed out in {happened['acts']} acts; "
        f"{happened['requests served']} requests served, "
        + ", ".join(f"{happened[name]} {name}" for name in (*harm, "apps killed")),
    )


@pytest.mark.parametrize("app_class", [UsesBeforeItStores, RemembersItsOwn])
def test_whoever_breaks_a_rule_is_signed_out(
    clock: time_machine.Traveller, tally: Tally, app_class: type[App]
) -> None:
    phones, acts = (100, 30) if tally.is_full else (30, 9)

    world = simulate(clock, phones, acts, app_class=app_class)

    assert signed_out(world) > 0
    assert signed_out(world) == AuditEvent.objects.filter(type="token.reused").count()
    tally.claim(
        f"the same, but the app {app_class.breaks}",
        f"{signed_out(world)} times signed out, {phones} phones, {phones * acts} acts",
    )


def test_whoever_does_not_wait_their_turn_is_forgiven(
    clock: time_machine.Traveller, tally: Tally
) -> None:
    phones, acts = (100, 30) if tally.is_full else (30, 6)

    world = simulate(clock, phones, acts, app_class=DoesNotWaitItsTurn)

    assert signed_out(world) == 0
    tally.claim(
        f"the same, but the app {DoesNotWaitItsTurn.breaks}",
        f"{signed_out(world)} times signed out, {phones} phones, {phones * acts} acts",
    )


def test_requests_that_outlive_the_grace_can_sign_out(
    clock: time_machine.Traveller, tally: Tally
) -> None:
    phones, acts = (100, 30) if tally.is_full else (40, 9)

    world = simulate(clock, phones, acts, network=replace(BAD, transit=30.0))

    assert signed_out(world) > 0
    tally.claim(
        "the same, but requests are under way for up to 30 seconds",
        f"{signed_out(world)} times signed out, {phones} phones, {phones * acts} acts",
    )
