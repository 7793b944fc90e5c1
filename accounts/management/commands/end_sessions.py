"""Sign many people out, in an incident. Without ``--yes`` it only counts."""

from __future__ import annotations

import argparse
import datetime as dt
import ipaddress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from accounts.management import progress
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services.incidents import count_of, end_in_bites, owners_of

FILTERS = ("user", "group", "issued_before", "last_seen_before", "address", "client", "user_agent")


def _moment(text: str) -> dt.datetime:
    try:
        day = parse_date(text)
        found = (
            parse_datetime(text)
            if day is None
            else dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        )
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, such as 2026-11-22T05:55:00Z")
    return timezone.make_aware(found, dt.UTC) if timezone.is_naive(found) else found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no address or range") from error


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


class Command(BaseCommand):
    help = (
        "Ends the sessions that meet every filter given. Only counts unless --yes is given. May be "
        "stopped at any time; run it again to go on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the filters, which combine, and what bounds the load."""
        add = parser.add_argument
        add("--user", action="append", help="address or id; may be given more than once")
        add("--group", action="append", help="name of a group; may be given more than once")
        add("--issued-before", type=_moment, help="signed in before this time")
        add("--last-seen-before", type=_moment, help="not used since this time")
        add(
            "--address", action="append", type=_network, help="signed in from this address or range"
        )
        add("--client", choices=UserSession.Client.values)
        add("--user-agent", help="a part of the user agent")
        add("--everybody", action="store_true", help="needed where no filter is given")
        add("--yes", action="store_true", help="end them, instead of counting them")
        add("--batch", type=_count, default=500, help="users per transaction (500)")
        add(
            "--rate",
            type=_count,
            default=5000,
            help="sessions per second at most; 0: no bound (5000)",
        )

    def handle(self, **options: Any) -> None:
        """Count, or end in bites with a progress bar."""
        if not options["everybody"] and not any(options[name] for name in FILTERS):
            raise CommandError("Give at least one filter, or --everybody.")
        if options["batch"] == 0:
            raise CommandError("--batch must be at least 1.")
        sessions = self._select(options)
        users, devices = count_of(sessions)
        if not options["yes"]:
            self.stdout.write(
                f"Would sign out {users} users on {devices} devices. Add --yes to do it."
            )
            return
        ended = self._end(sessions, devices, options)
        self.stdout.write(f"Signed out {ended} devices.")

    def _end(self, sessions: UserSessionQuerySet, devices: int, options: dict[str, Any]) -> int:
        ended = 0
        bites = end_in_bites(
            sessions,
            owners_of(sessions),
            actor=None,
            users_per_bite=options["batch"],
            per_second=options["rate"],
        )
        with progress.bar(self.stderr, total=devices, unit="devices") as bar:
            try:
                for count in bites:
                    ended += count
                    bar.update(count)
            except KeyboardInterrupt as error:
                raise CommandError(_stopped(ended)) from error
            except OperationalError as error:
                # Such as a row that somebody has locked for longer than the database waits.
                raise CommandError(f"{str(error).strip()}\n{_stopped(ended)}") from error
        return ended

    def _select(self, options: dict[str, Any]) -> UserSessionQuerySet:
        sessions = UserSession.objects.all()
        if options["user"]:
            sessions = sessions.filter(user__in=[_find_user(name) for name in options["user"]])
        if options["group"]:
            members = get_user_model()._default_manager.filter(groups__name__in=options["group"])
            sessions = sessions.filter(user__in=members)
        if options["issued_before"]:
            sessions = sessions.filter(created_at__lt=options["issued_before"])
        if options["last_seen_before"]:
            sessions = sessions.filter(last_seen_at__lt=options["last_seen_before"])
        if options["address"]:
            sessions = sessions.from_networks(options["address"])
        if options["client"]:
            sessions = sessions.filter(client=options["client"])
        if options["user_agent"]:
            sessions = sessions.filter(user_agent__icontains=options["user_agent"])
        return sessions


def _stopped(ended: int) -> str:
    return f"Stopped. {ended} devices are signed out; run the command again to go on."


def _find_user(name: str) -> Any:
    model = get_user_model()
    by_name = Q(**{f"{model.USERNAME_FIELD}__iexact": name})
    try:
        user = model._default_manager.filter(by_name).first()
        user = user or model._default_manager.filter(pk=name).first()
    except (ValidationError, ValueError):
        user = None
    if user is None:
        raise CommandError(f"There is no user {name!r}.")
    return user
