"""
Whose sessions are to end: their rows are locked first, in key order.

Whoever signs in or ends sessions of a user holds that user's row, so that as long as it is locked
no session of theirs begins or ends.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import models, router

from accounts import statements
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.statements import Parameter, Statement

# What the end of a session writes into its row.
ENDING = ("is_active", "ended_at", "end_reason", "ended_by_id")


@dataclass(frozen=True, slots=True)
class OwnSessions:
    """
    One user's sessions: all of them, ``only`` one, or ``all_but`` one.

    They are what people end themselves, by statements that are compiled once.
    """

    user_id: Any
    only: UUID | None = None
    all_but: UUID | None = None


def end_rows(
    sessions: UserSessionQuerySet | OwnSessions, ending: Mapping[str, object]
) -> dict[Any, int]:
    """
    Lock the owners, end those of ``sessions`` that have not, and return how many by owner.

    ``ending`` has a value for each of ENDING.
    """
    if isinstance(sessions, OwnSessions):
        return _end_own(sessions, ending)
    owners = _lock_owners(sessions)
    if not owners:
        return {}
    rows, by_owner = _of_owners(sessions.unended(), owners)
    ended = rows.update(**ending)
    return (by_owner or {owners[0]: ended}) if ended else {}


def _end_own(sessions: OwnSessions, ending: Mapping[str, object]) -> dict[Any, int]:
    alias = router.db_for_write(UserSession)
    owner = sessions.user_id
    key = get_user_model()._meta.pk.name
    if not _locking_owner(alias, get_user_model()).fetch({key: owner}):
        return {}
    which = "only" if sessions.only else "all_but" if sessions.all_but else "all"
    named = {"user": owner, "id": sessions.only or sessions.all_but}
    ended = _ending_own(alias, which).execute({**ending, **named})
    return {owner: ended} if ended else {}


@functools.cache
def _locking_owner(alias: str, model: type[models.Model]) -> Statement:
    key = model._meta.pk.name
    # Not the default manager: a host's may hide users, and their sessions could not be ended.
    users = model._base_manager.using(alias).select_for_update(no_key=True)
    return statements.select(users.filter(pk=Parameter(key)).values_list("pk"))


@functools.cache
def _ending_own(alias: str, which: str) -> Statement:
    mine = UserSession.objects.using(alias).unended().filter(user=Parameter("user"))
    if which == "only":
        mine = mine.filter(pk=Parameter("id"))
    elif which == "all_but":
        mine = mine.exclude(pk=Parameter("id"))
    return statements.update(mine, **{name: Parameter(name) for name in ENDING})


def _lock_owners(sessions: UserSessionQuerySet) -> list[Any]:
    """Lock the rows of the users who have something to end, in key order, and return their keys."""
    # Not the default manager: a host's may hide users, and their sessions could not be ended.
    users = get_user_model()._base_manager.select_for_update(no_key=True)
    owners = users.filter(pk__in=sessions.unended().order_by().values("user_id"))
    return list(owners.order_by("pk").values_list("pk", flat=True))


def _of_owners(
    sessions: UserSessionQuerySet, owners: list[Any]
) -> tuple[UserSessionQuerySet, dict[Any, int]]:
    """
    Return those of ``sessions`` that are of ``owners``, whose rows are locked, and how many each
    of them has, unless there is but one.

    Of several the sessions are named by their keys. A second list of users in the condition would
    be multiplied with the one that is mostly there already, and PostgreSQL reads the whole table.
    """
    if len(owners) == 1:
        return sessions.filter(user_id=owners[0]), {}
    locked = set(owners)
    found = sessions.order_by().values_list("pk", "user_id")
    owner_of = {key: owner for key, owner in found if owner in locked}
    named = UserSession.objects.unended().filter(pk__in=owner_of)
    return named, dict(Counter(owner_of.values()))
