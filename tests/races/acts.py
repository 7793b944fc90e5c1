"""
What a racer does: one function per act, told by name and given plain values.

Unless it says otherwise an act goes through the API, as an app does, and returns the status.
"""

from __future__ import annotations

import random
import time
from typing import Any

from django.test import Client

from accounts.models import User, UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services import users
from accounts.services.sessions import EndReason, end_sessions
from tests.people import Phone
from tests.races.hashing import CountingHasher

Tokens = dict[str, Any]


def call(tokens: Tokens, method: str, path: str, body: object = None) -> int:
    """Make a call."""
    return int(Phone(tokens=dict(tokens)).call(method, path, body).status_code)


def log_out(tokens: Tokens) -> int:
    """Log out everywhere."""
    return call(tokens, "post", "/auth/logout")


def refresh(tokens: Tokens, times: int = 1) -> list[tuple[int, Tokens]]:
    """Refresh, and refresh again with what came; return the statuses and what is held then."""
    phone, answers = Phone(tokens=dict(tokens)), []
    for _time in range(times):
        status = int(phone.refresh().status_code)
        answers.append((status, dict(phone.tokens)))
    return answers


def use(tokens: Tokens, times: int) -> list[int]:
    """Ask for the profile, again and again."""
    return [call(tokens, "get", "/auth/profile") for _time in range(times)]


def sign_in(email: str, password: str, pause: float = 0.0, device_id: str = "") -> Tokens | int:
    """Sign in after a ``pause``; return what an app keeps, or the status of a refusal."""
    time.sleep(pause)
    body = {"email": email, "password": password, "device_id": device_id}
    answer = Phone().call("post", "/auth/login", body)
    data: Tokens | None = answer.json()["data"]
    return data if data is not None else int(answer.status_code)


def guess(email: str) -> tuple[int, int]:
    """Sign in with a wrong password; return the status and how often a password was hashed."""
    before = CountingHasher.times()
    status = sign_in(email, "wrong")
    assert isinstance(status, int)
    return status, CountingHasher.times() - before


def change_password(tokens: Tokens, current: str, new: str, pause: float = 0.0) -> int:
    """Change the password after a ``pause``."""
    time.sleep(pause)
    body = {"current_password": current, "new_password": new}
    return call(tokens, "post", "/auth/password/change", body)


def confirm_reset(uid: str, token: str, new: str) -> int:
    """Use a link from a password mail."""
    body = {"uid": uid, "token": token, "new_password": new}
    return int(Phone().call("post", "/auth/password/reset/confirm", body).status_code)


def deactivate(email: str, pause: float = 0.0) -> int:
    """Deactivate somebody, at the services; return how many sessions ended."""
    time.sleep(pause)
    return users.deactivate(User.objects.get(email=email), actor=None, device=None)


def end_everybody(emails: list[str]) -> int:
    """End all sessions of several people in one act, at the services; return how many ended."""
    sessions = UserSession.objects.filter(user__email__in=emails)
    return end_sessions(sessions, reason=EndReason.INCIDENT, actor=None)


def browse(cookie: str, times: int) -> list[int]:
    """Go to a page that only somebody signed in sees; return the statuses."""
    browser = Client()
    browser.cookies["sessionid"] = cookie
    return [int(browser.get("/account/password").status_code) for _time in range(times)]


def leave(cookie: str) -> int:
    """Sign a browser out by its page."""
    browser = Client()
    browser.cookies["sessionid"] = cookie
    return int(browser.post("/account/logout").status_code)


def live(email: str, password: str, staff: Tokens, seed: int, acts: int) -> list[tuple[str, int]]:
    """
    Do ``acts`` things at random that end, open, use or refresh sessions of one person.

    Return what was done and its status. Whoever finds itself signed out signs in again.
    """
    chance, phone, done = random.Random(seed), Phone(), []
    user_id = str(User.objects.get(email=email).pk)
    for _act in range(acts):
        name = chance.choice(list(ENDS)) if phone.tokens else "sign in"
        status = ENDS[name](phone, email, password, staff, user_id)
        done.append((name, status))
        if status == 401:
            phone.tokens.clear()
    return done


def _sign_in(phone: Phone, email: str, password: str, *_rest: Any) -> int:
    body = {"email": email, "password": password, "device_id": "shared" if phone.tokens else ""}
    answer = Phone().call("post", "/auth/login", body)
    phone.tokens = answer.json()["data"] or {}
    return int(answer.status_code)


def _delete(phone: Phone, *_rest: Any) -> int:
    """End somebody's oldest session, one's own perhaps: many racers take the same."""
    mine: UserSessionQuerySet = UserSession.objects.filter(user_id=phone.tokens["user"]["id"])
    oldest = mine.unended().order_by("pk").values_list("pk", flat=True).first()
    return call(phone.tokens, "delete", f"/auth/sessions/{oldest or phone.tokens['session']['id']}")


def _change_password(phone: Phone, _email: str, password: str, *_rest: Any) -> int:
    """Change it to what it was: another hash, and the others' sessions end."""
    return change_password(phone.tokens, password, password)


def _force(_phone: Phone, _email: str, _password: str, staff: Tokens, user_id: str) -> int:
    return call(staff, "post", f"/auth/users/{user_id}/logout")


ENDS: dict[str, Any] = {
    "sign in": _sign_in,
    "logout": lambda phone, *_rest: log_out(phone.tokens),
    "logout here": lambda phone, *_rest: call(phone.tokens, "post", "/auth/logout/current"),
    "logout others": lambda phone, *_rest: call(phone.tokens, "post", "/auth/logout/others"),
    "delete": _delete,
    "force": _force,
    "password change": _change_password,
    "refresh": lambda phone, *_rest: int(phone.refresh().status_code),
    "profile": lambda phone, *_rest: call(phone.tokens, "get", "/auth/profile"),
}
