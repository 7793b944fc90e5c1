"""What the pages show of a device."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from django.utils.translation import override

from accounts.models import User, UserSession
from accounts.web import cards, texts

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
IPAD = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari"
ANDROID = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/141 Mobile Safari"
ANDROID_TABLET = "Mozilla/5.0 (Linux; Android 16; SM-X910) AppleWebKit/537.36 Chrome/141 Safari"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18 Safari"


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        (IPHONE, "phone"),
        (ANDROID, "phone"),
        ("okhttp/4.12.0", "phone"),
        ("Notes/12 CFNetwork/3826 Darwin/24.5.0", "phone"),
        ("Dalvik/2.1.0 (Linux; U; Android 16; Pixel 9)", "phone"),
        (IPAD, "tablet"),
        (ANDROID_TABLET, "tablet"),
        (MAC, "computer"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/143.0", "computer"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "computer"),
        ("curl/8.9.1", "app"),
        ("", "app"),
    ],
)
def test_a_user_agent_tells_what_kind_of_device_it_is(user_agent: str, kind: str) -> None:
    assert cards.kind_of(user_agent) == kind


def test_a_device_that_tells_nothing_is_shown_all_the_same(alice: User) -> None:
    now = timezone.now()
    session = UserSession(user=alice, client="app", expires_at=now, last_seen_at=now)

    card = cards.card_of(session, current_id=session.pk)

    assert (card.name, card.kind_name, card.place, card.ip_address, card.is_current) == (
        "Unknown device",
        "App",
        "",
        "",
        True,
    )


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (dt.timedelta(seconds=-5), "just now"),
        (dt.timedelta(seconds=59), "just now"),
        (dt.timedelta(seconds=61), "1 minute ago"),
        (dt.timedelta(hours=5, minutes=59), "5 hours ago"),
        (dt.timedelta(days=8), "1 week ago"),
    ],
)
def test_how_long_ago_something_was_is_told_in_one_unit(age: dt.timedelta, words: str) -> None:
    assert texts.ago(timezone.now() - age).replace("\xa0", " ") == words


def test_words_come_in_the_readers_language(alice: User) -> None:
    now = timezone.now()
    session = UserSession(user=alice, client="app", user_agent=IPHONE, expires_at=now)

    with override("zh-hans"):
        card = cards.card_of(session, current_id=session.pk)

    assert isinstance(card.kind_name, str)
    assert isinstance(card.name, str)
