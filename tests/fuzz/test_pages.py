"""The doors that no document describes: the forms of the pages, and the admin's sign-in."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote_from_bytes
from uuid import UUID

from django.core.handlers.wsgi import WSGIHandler
from hypothesis import strategies as st

from tests.fuzz import oddities
from tests.fuzz.asking import Answer, Asking, ask
from tests.fuzz.trying import seeds, try_out
from tests.fuzz.world import CSRF, World
from tests.people import PASSWORD
from tests.races.course import Tally

EXAMPLES = 60
FORM = "application/x-www-form-urlencoded"
PAGES = (
    "/account/login",
    "/account/logout",
    "/account/language",
    "/account/password",
    "/account/password/reset",
    "/account/password/reset/{uid}/{token}",
    "/account/password/reset/{uid}/set-password",
    "/account/sessions",
    "/account/sessions/list",
    "/account/sessions/logout/all",
    "/account/sessions/logout/others",
    "/account/sessions/{session_id}/logout",
    "/admin/login/",
)
FIELDS = [
    "username",
    "email",
    "password",
    "old_password",
    "new_password1",
    "new_password2",
    "next",
    "language",
    "device",
]

_bytes = st.one_of(st.binary(max_size=40), oddities.latin.map(lambda text: text.encode("latin-1")))
_values = st.one_of(
    _bytes,
    st.sampled_from(
        [
            b"alice@example.com",
            PASSWORD.encode(),
            b"staple battery horse correct",
            b"zh-hans",
            b"//evil.example",
            b"\x00",
            b"\xed\xa0\x80",
            b"x" * 5000,
        ]
    ),
)
forms = st.dictionaries(st.sampled_from(FIELDS), _values, max_size=6).map(
    lambda fields: "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields.items())
)
cookies = st.one_of(
    *[st.just("{cookies}")] * 2,
    *[st.just(f"csrftoken={CSRF}")] * 2,
    st.builds("{{cookies}}; {}".format, st.sampled_from(["messages=\x00", "language=../..", "=;"])),
    st.builds(
        "csrftoken={}; sessionid={}".format, st.just(CSRF), st.text("a0\xff\x00_-", max_size=40)
    ),
)
# What stands in the places of ids and one-time links in the paths.
places = st.one_of(st.none(), st.none(), oddities.latin)


def the_path(page: str, place: str | None, world: World) -> str:
    """Return where a page is, with what is real in it or with something odd."""
    found: dict[str, str | UUID] = {
        "uid": world.fact("uid", "page"),
        "token": world.fact("token", "page"),
        "session_id": world.fact("session_id", "page"),
    }
    return page.format(**(found if place is None else dict.fromkeys(found, place)))


def test_no_form_and_no_cookie_is_an_error_of_the_pages(
    application: WSGIHandler, world: World, tally: Tally
) -> None:
    found = Counter[int]()

    def check(
        page: str, place: str | None, form: str, cookie: str, headers: dict[str, str], body: bytes
    ) -> None:
        world.begin()
        method = "POST" if form else "GET"
        sent = form.encode() + f"&csrfmiddlewaretoken={CSRF}".encode() + body
        path = the_path(page, place, world)
        if "{cookies}" in cookie:
            cookie = cookie.replace("{cookies}", world.cookies())
        own = {"Cookie": cookie, "Content-Type": FORM}

        answer: Answer = ask(application, Asking(method, path, "", own | headers, sent))

        found[answer.status] += 1
        assert answer.status < 500, answer

    for by in seeds(tally, 40):
        try_out(
            check,
            examples=EXAMPLES,
            by=by,
            page=st.sampled_from(PAGES),
            place=places,
            form=forms,
            cookie=cookies,
            headers=st.one_of(st.just({}), oddities.headers),
            body=st.one_of(st.just(b""), _bytes),
        )

    assert {200, 302, 400, 403, 404} <= found.keys()
    tally.claim(
        "odd forms, cookies and headers to the pages and to the admin's door",
        f"0 answers of 500 in {found.total()} requests to {len(PAGES)} pages",
    )
