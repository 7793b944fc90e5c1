"""The people whom each request finds as if it were the first: signed in, and held up by nothing."""

from __future__ import annotations

import itertools
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.test import Client

from accounts import tokens
from accounts.devices import Device
from accounts.models import Attempt, User, UserSession
from accounts.services import passwords
from accounts.services.sessions import end_sessions, open_session
from tests.people import PASSWORD, Phone

NEW_PASSWORD = "staple battery horse correct"
CSRF = "x" * 32
ALICE = "alice@example.com"
# What ``World.fact`` knows.
FACTS = {
    *("email", "password", "current_password", "new_password", "token", "uid", "refresh_token"),
    *("session_id", "user_id", "cursor"),
}
# Who asks, as ``World.credentials`` knows them: those who may, and others.
PEOPLE = ("alice", "carol")
OTHERS = ("nobody", "ended", "refresh token", "browser", "browser without its token")

Held = tuple[UserSession, tokens.TokenPair]


class World:
    """Alice with two devices, Bob with one, and Carol, who is staff, with one."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._held: dict[tuple[UUID, str], Held] = {}
        self._password = make_password(PASSWORD)
        self.alice, self.bob = self._person("alice"), self._person("bob")
        self.carol = self._person("carol", is_staff=True, is_superuser=True)
        phone = Phone().sign_in(self.alice).sign_in(self.alice)
        following = phone.ok("get", "/auth/events?page_size=1")["next"]
        self._cursor: str = parse_qs(urlsplit(following).query)["cursor"][0]

    def begin(self) -> None:
        """Undo whatever the last request has done to what somebody knows, and to the limits."""
        if Attempt.objects.exists():
            Attempt.objects.all().delete()
        changed = User.objects.filter(pk__in=[self.alice.pk, self.carol.pk])
        changed.exclude(password=self._password).update(password=self._password)

    def fact(self, name: str, operation: str) -> str:
        """Return what an operation takes in the place of this name."""
        match name:
            case "email":
                return f"d{next(self._numbers)}@example.com" if operation == "register" else ALICE
            case "password" | "current_password":
                return PASSWORD
            case "new_password":
                return NEW_PASSWORD
            case "token" if operation == "revoke":
                return self._pair(self.alice, "tablet")[1].access_token
            case "uid" | "token":
                alice = User.objects.get(pk=self.alice.pk)
                return str(passwords.reset_link_parts(alice)[name == "token"])
            case "refresh_token":
                return self._pair(self.alice, "tablet")[1].refresh_token
            case "session_id":
                return str(self._pair(self.alice, "tablet")[0].pk)
            case "user_id":
                self._pair(self.bob)
                return str(self.bob.pk)
        return self._cursor

    def credentials(self, who: str) -> dict[str, str]:
        """Return the headers by which somebody says who they are; an odd ``who`` as it is."""
        match who:
            case "alice":
                return _bearer(self._pair(self.alice)[1].access_token)
            case "carol":
                return _bearer(self._pair(self.carol)[1].access_token)
            case "nobody":
                return {}
            case "ended":
                return _bearer(self._ended())
            case "refresh token":
                return _bearer(self._pair(self.alice)[1].refresh_token)
            case "browser":
                return {"Cookie": self.cookies(), "X-CSRFToken": CSRF}
            case "browser without its token":
                return {"Cookie": self.cookies()}
        return {"Authorization": who}

    def cookies(self) -> str:
        """Return the cookies of a browser with which Alice has just signed in."""
        browser = Client()
        browser.force_login(self.alice)
        session = browser.cookies[settings.SESSION_COOKIE_NAME].value
        return f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={CSRF}"

    def _person(self, name: str, **facts: bool) -> User:
        return User.objects.create(
            email=f"{name}@example.com", password=self._password, name=name.title(), **facts
        )

    def _pair(self, user: User, name: str = "phone") -> Held:
        """Return the session of one of somebody's devices, which signs in again where it must."""
        held = self._held.get((user.pk, name))
        if held is None or not _is_fresh(held[0]):
            device = Device(ip_address="192.0.2.7", user_agent="tests", name=name, id=name)
            session = open_session(user, client=UserSession.Client.APP, device=device)
            held = self._held[user.pk, name] = session, tokens.issue(session)
        return held

    def _ended(self) -> str:
        session, pair = self._pair(self.alice, "ended")
        end_sessions(
            UserSession.objects.filter(pk=session.pk),
            reason=UserSession.EndReason.LOGOUT,
            actor=self.alice,
        )
        return pair.access_token


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_fresh(session: UserSession) -> bool:
    same = UserSession.objects.filter(
        pk=session.pk, is_active=True, refresh_generation=session.refresh_generation
    )
    return same.exists()
