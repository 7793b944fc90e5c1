"""The session engine whose query is compiled once: Django's own, told apart by its cost only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.web import session_store
from accounts.web.session_store import SessionStore

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept() -> Session:
    """A session that Django has stored."""
    store = db.SessionStore()
    store["who"] = "爱丽丝"
    store.save()
    return Session.objects.get(session_key=store.session_key)


def both(key: str | None) -> list[Any]:
    """Return what each engine makes of a key: what is kept, and the key that it goes on with."""
    stores = [engine(key) for engine in (db.SessionStore, SessionStore)]
    return [(store.load(), store.session_key) for store in stores]


def test_it_reads_what_django_stored_by_one_query(
    kept: Session, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        store = SessionStore(kept.session_key)
        assert (store["who"], store.session_key) == ("爱丽丝", kept.session_key)

    djangos, ours = both(kept.session_key)
    assert djangos == ours


def test_an_unknown_key_is_nobodys() -> None:
    unknown = "unknown0unknown0unknown0unknown0"

    assert both(unknown) == [({}, None)] * 2
    assert both(None) == [({}, None)] * 2


def test_a_key_that_no_database_takes_is_nobodys() -> None:
    store = SessionStore("unknown\x00")

    assert (store.load(), store.session_key) == ({}, None)


def test_a_session_past_its_time_is_nobodys(kept: Session) -> None:
    for late, known in ((timedelta(seconds=-60), None), (timedelta(seconds=60), kept.session_key)):
        Session.objects.update(expire_date=timezone.now() + late)

        djangos, ours = both(kept.session_key)

        assert djangos == ours
        assert ours[1] == known


def test_a_session_that_was_tampered_with_is_empty(kept: Session) -> None:
    Session.objects.update(session_data=kept.session_data + "x")

    assert both(kept.session_key) == [({}, kept.session_key)] * 2


def test_its_query_is_the_one_of_the_orm(kept: Session) -> None:
    now = timezone.now()
    orm = Session.objects.filter(session_key="x", expire_date__gt=now)
    by_hand, _values = orm.values_list("session_data").query.sql_with_params()

    # The ORM puts what a Parameter is to it, an expression, into parentheses.
    assert session_store._reading(Session, "default").text.replace("(%s)", "%s") == by_hand
