"""
The people of the tests: Alice signs in, Bob must not be affected, Carol is staff.

A ``Phone`` is a device in somebody's hands: it speaks to the API as an app does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from rest_framework.test import APIClient

from accounts.models import User, UserSession

PASSWORD = "correct horse battery staple"


@dataclass
class Phone:
    """An app on a device. ``tokens`` is what the last login or refresh answered."""

    name: str = "phone"
    client: APIClient = field(default_factory=APIClient)
    tokens: dict[str, Any] = field(default_factory=dict)

    def sign_in(self, user: User, password: str = PASSWORD, **extra: str) -> Phone:
        """Sign in and keep the tokens."""
        body = {"email": user.email, "password": password, "device_name": self.name, **extra}
        self.tokens = self.ok("post", "/auth/login", body)
        return self

    def ok(self, method: str, path: str, body: object = None) -> Any:
        """Make a call that must succeed; return its ``data``."""
        answer = self.call(method, path, body)
        content = answer.json()
        assert content["success"], content
        return content["data"]

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Make a call with the access token, if there is one; return the response."""
        if self.tokens:
            headers.setdefault("Authorization", f"Bearer {self.tokens['access_token']}")
        call = getattr(self.client, method)
        answer: HttpResponse = call(path, body, format="json", headers=headers)
        return answer

    def refresh(self, token: str | None = None) -> Any:
        """Refresh with the given or the kept token and keep what comes; return the response."""
        refresh_token = token or self.tokens["refresh_token"]
        answer = APIClient().post("/auth/refresh", {"refresh_token": refresh_token}, format="json")
        if answer.status_code == 200:
            self.tokens |= answer.json()["data"]
        return answer

    @property
    def session(self) -> UserSession:
        """The row, as it is now."""
        return UserSession.objects.get(pk=self.tokens["session"]["id"])

    @property
    def is_signed_in(self) -> bool:
        """Whether the access token is taken."""
        return bool(self.call("get", "/auth/profile").status_code == 200)


def assert_error(answer: Any, status: int, code: str, field: str | None = None) -> None:
    """Assert that ``answer`` is this error, in the envelope."""
    content = answer.json()
    assert (answer.status_code, content["code"], content["field"]) == (status, code, field), content
    assert set(content) == {"success", "message", "data", "code", "field"}
    assert content["success"] is False
    assert content["message"]
