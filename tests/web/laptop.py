"""A browser on somebody's laptop: it goes to pages and sends forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.test import Client

from accounts.models import User, UserSession
from accounts.web import cookies
from tests.people import PASSWORD

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


@dataclass
class Laptop:
    """A browser. Its cookies are in ``client``."""

    client: Client = field(default_factory=lambda: Client(headers={"User-Agent": FIREFOX}))

    def sign_in(self, user: User, password: str = PASSWORD, **more: str) -> Any:
        """Send the form for signing in; return the answer."""
        return self.post("login", {"email": user.email, "password": password, **more})

    def get(self, path: str, **query: str) -> Any:
        """Go to a page under ``/account/``, or to any other by its whole path."""
        return self.client.get(_whole(path), query)

    def post(self, path: str, fields: dict[str, Any] | None = None) -> Any:
        """Send a form."""
        return self.client.post(_whole(path), fields or {})

    @property
    def session_id(self) -> UUID:
        """The id of the row that the cookie is bound to."""
        return UUID(self.client.session[cookies.KEY])

    @property
    def row(self) -> UserSession:
        """The row, as it is now."""
        return UserSession.objects.get(pk=self.session_id)

    @property
    def cookie(self) -> str:
        """The value of the session cookie; empty where there is none."""
        found = self.client.cookies.get(settings.SESSION_COOKIE_NAME)
        return found.value if found else ""

    @property
    def is_signed_in(self) -> bool:
        """Whether the cookie is taken."""
        return bool(self.get("password").status_code == 200)


def text_of(answer: Any) -> str:
    """Return what a page says, without tags, on one line."""
    html = answer.content.decode()
    body = re.sub(r"(?s)<(script|style|template).*?</\1>", " ", html.partition("<main")[2])
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def _whole(path: str) -> str:
    return path if path.startswith("/") else f"/account/{path}"
