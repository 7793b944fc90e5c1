"""
Who is meant by what somebody typed, and what people are called, in whatever user model there is.

Users are looked for in two steps: by how an address or a user name begins, for which there is an
index; and only if nobody is found, by any part of it or of a name, which reads the whole table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename, get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from accounts.services.users import has_field

# More people than that are no answer to a question; see ``find_people``.
MOST_PEOPLE = 200


def known_by() -> list[str]:
    """Return the fields that people are known by: what they sign in with, and their address."""
    model = get_user_model()
    names = dict.fromkeys([model.USERNAME_FIELD, model.get_email_field_name()])
    return [name for name in names if has_field(name)]


def find_people(term: str) -> list[Any]:
    """Return the keys of the users meant by ``term``, MOST_PEOPLE + 1 of them at most."""
    begins = Q()
    for name in known_by():
        begins |= Q(**{f"{name}__startswith": term})
        begins |= Q(**{f"{name}__startswith": term.lower()})
    if found := _keys(begins):
        return found
    anywhere = Q()
    for name in {*known_by(), *filter(has_field, ["name"])}:
        anywhere |= Q(**{f"{name}__icontains": term})
    return _keys(anywhere)


def _keys(condition: Q) -> list[Any]:
    users = get_user_model()._default_manager.filter(condition).order_by()
    return list(users.values_list("pk", flat=True)[: MOST_PEOPLE + 1])


def as_user_key(text: str) -> Any | None:
    """Return ``text`` as a key of the user model; None where it cannot be one."""
    with contextlib.suppress(ValidationError, ValueError, OverflowError):
        return get_user_model()._meta.pk.to_python(text)
    return None


def may_view_users(request: HttpRequest) -> bool:
    """Tell whether the pages about users are open to whoever asks."""
    options = get_user_model()._meta
    names = [get_permission_codename(verb, options) for verb in ("view", "change")]
    return any(request.user.has_perm(f"{options.app_label}.{name}") for name in names)


class Names:
    """What the users with some keys are called, asked for once for a whole page."""

    def __init__(self, request: HttpRequest, keys: Iterable[str]) -> None:
        model = get_user_model()
        wanted = {key for text in keys if text and (key := as_user_key(text)) is not None}
        users = model._default_manager.filter(pk__in=wanted) if wanted else model.objects.none()
        found = users.values_list("pk", model.USERNAME_FIELD)
        self._names = {str(key): str(name) for key, name in found}
        self._links = may_view_users(request)

    def of(self, key: str) -> str:
        """Return the name; the key itself where there is no such user any more."""
        return self._names.get(key, key)

    def link(self, key: str) -> str:
        """Return the name, as a link for whoever may follow it."""
        path = path_of_user(key) if self._links and key in self._names else ""
        return format_html('<a href="{}">{}</a>', path, self.of(key)) if path else self.of(key)


def path_of_user(key: object, page: str = "change") -> str:
    """Return the path of a page about the user; empty where the administration has none."""
    options = get_user_model()._meta
    name = f"admin:{options.app_label}_{options.model_name}_{page}"
    try:
        return reverse(name, args=[quote(str(key))], current_app=admin.site.name)
    except NoReverseMatch:
        return ""
