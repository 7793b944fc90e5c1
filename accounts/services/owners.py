"""
Whose sessions are to end: their rows are locked first, in key order.

Whoever signs in or ends sessions of a user holds that user's row, so that as long as it is locked
no session of theirs begins or ends.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib.auth import get_user_model

from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet


def lock_owners(sessions: UserSessionQuerySet) -> list[Any]:
    """Lock the rows of the users who have something to end, in key order, and return their keys."""
    # Not the default manager: a host's may hide users, and their sessions could not be ended.
    users = get_user_model()._base_manager.select_for_update(no_key=True)
    owners = users.filter(pk__in=sessions.unended().order_by().values("user_id"))
    return list(owners.order_by("pk").values_list("pk", flat=True))


def of_owners(
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
