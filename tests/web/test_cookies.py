"""How cookies are bound to rows, whatever code calls Django's ``login()`` and ``logout()``."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User, UserSession
from accounts.web import cookies, forms
from tests.people import PASSWORD
from tests.web.conftest import LaptopOf
from tests.web.laptop import Laptop


@pytest.fixture
def request_of(db: None) -> HttpRequest:
    """A request with a session that nobody is signed in to."""
    request = RequestFactory().get("/")
    request.session = Client().session
    request.user = AnonymousUser()
    return request


def test_a_cookie_from_before_this_app_is_nobodys(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    session = laptop.client.session
    del session[cookies.KEY]
    session.save()

    assert not laptop.is_signed_in
    assert laptop.cookie == ""


def test_a_cookie_cannot_borrow_a_strangers_row(
    alice: User, bob: User, laptop_of: LaptopOf
) -> None:
    of_alice, of_bob = laptop_of(alice), laptop_of(bob)
    session = of_bob.client.session
    session[cookies.KEY] = str(of_alice.session_id)
    session.save()

    assert not of_bob.is_signed_in
    assert of_alice.is_signed_in


def test_a_request_costs_two_queries_to_know_who_it_is(
    alice: User, laptop_of: LaptopOf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    laptop = laptop_of(alice)

    # Django's session, and the row with its user.
    with django_assert_num_queries(2):
        laptop.get("password")


def test_a_secret_key_may_be_renewed_without_signing_anybody_out(
    alice: User, laptop_of: LaptopOf, settings: Settings
) -> None:
    laptop = laptop_of(alice)

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key that is long enough for anything"

    assert laptop.is_signed_in


def test_signing_in_by_other_code_opens_a_row(alice: User, request_of: HttpRequest) -> None:
    login(request_of, alice, backend="django.contrib.auth.backends.ModelBackend")

    row = UserSession.objects.get()
    assert (row.user, row.client) == (alice, "browser")
    assert request_of.session[cookies.KEY] == str(row.pk)


def test_news_of_a_sign_in_that_left_no_cookie_opens_no_row(
    alice: User, request_of: HttpRequest
) -> None:
    user_logged_in.send(sender=User, request=request_of, user=alice)
    user_logged_in.send(sender=User, request=None, user=alice)

    assert not UserSession.objects.exists()


def test_signing_out_nobody_ends_nothing(
    alice: User, laptop_of: LaptopOf, request_of: HttpRequest
) -> None:
    laptop = laptop_of(alice)

    logout(request_of)

    assert laptop.is_signed_in


def test_signing_out_where_there_is_no_row_ends_nothing(
    alice: User, laptop_of: LaptopOf, request_of: HttpRequest
) -> None:
    laptop = laptop_of(alice)
    request_of.user = alice

    logout(request_of)

    assert laptop.is_signed_in


def test_a_project_signs_in_with_its_own_field(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.models import User as DjangosUser

    monkeypatch.setattr(forms, "get_user_model", lambda: DjangosUser)

    form: Any = forms.SignInForm({"username": "ada", "password": PASSWORD})

    assert form.is_valid()
    assert form.identifier == "ada"
    assert form.fields["username"].label == "Username"
    assert not forms.SignInForm({"username": "x" * 151, "password": PASSWORD}).is_valid()


def test_the_laptop_of_the_tests_is_nobodys_at_first(laptop: Laptop) -> None:
    assert laptop.cookie == ""
    assert not laptop.is_signed_in
