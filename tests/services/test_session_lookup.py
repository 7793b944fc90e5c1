"""The query compiled once is the query the ORM would send, and its objects are the ORM's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User, UserSession
from accounts.services import session_lookup
from accounts.services.session_lookup import find_with_user
from tests.people import Phone

pytestmark = pytest.mark.django_db


def _fields(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_it_finds_what_the_orm_finds(alice: User, bob: User) -> None:
    session = Phone().sign_in(alice).session
    Phone().sign_in(bob)
    expected = UserSession.objects.select_related("user").get(pk=session.pk)

    with CaptureQueriesContext(connection) as queries:
        found = find_with_user(session.pk)
        assert found is not None
        user = found.user

    assert len(queries) == 1
    assert _fields(found) == _fields(expected)
    assert _fields(user) == _fields(expected.user)
    assert (found._state.adding, found._state.db) == (False, "default")
    assert found.get_deferred_fields() == set()


def test_it_sends_what_the_orm_would_send(alice: User) -> None:
    session = Phone().sign_in(alice).session

    with CaptureQueriesContext(connection) as queries:
        find_with_user(session.pk)
        UserSession.objects.select_related("user").get(pk=session.pk)

    compiled, of_the_orm = (query["sql"] for query in queries)
    assert of_the_orm.startswith(compiled)
    assert of_the_orm.removeprefix(compiled).strip() in {"", "LIMIT 21"}


def test_what_is_not_there_is_none(db: None) -> None:
    assert find_with_user(UUID(int=7)) is None


def test_the_models_changing_their_columns_order_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session_lookup._compile.cache_clear()
    monkeypatch.setattr(session_lookup, "_names", lambda _model: ["something", "else"])

    with pytest.raises(AssertionError, match="unexpected columns"):
        session_lookup._compile("default")

    session_lookup._compile.cache_clear()
