"""What the tests of the administration do again and again: look, choose, confirm."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.admin.keys import first_key
from accounts.devices import Device
from accounts.models import AuditEvent, User, UserSession
from accounts.services.sessions import end_sessions, open_session

SESSIONS = "/admin/accounts/usersession/"
MATCHING = f"{SESSIONS}end-matching/"
EVENTS = "/admin/accounts/auditevent/"
USERS = "/admin/accounts/user/"
EndReason = UserSession.EndReason


def browser_of(user: User, **options: Any) -> Client:
    """Return a browser in which ``user`` is signed in."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    client = Client(headers={"User-Agent": agent}, **options)
    client.force_login(user)
    return client


def allow(user: User, *codenames: str) -> None:
    """Give ``user`` further permissions."""
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def session_of(user: User, name: str = "phone", address: str = "192.0.2.1") -> UserSession:
    """Open a session as a login does."""
    device = Device(ip_address=address, user_agent="", name=name)
    return open_session(user, client=UserSession.Client.APP, device=device)


def end(session: UserSession, reason: EndReason = EndReason.LOGOUT, actor: Any = None) -> None:
    """End the session as its owner does, or somebody else."""
    mine = UserSession.objects.filter(pk=session.pk)
    end_sessions(mine, reason=reason, actor=actor or session.user)


def event(*, ago: dt.timedelta = dt.timedelta(0), **facts: Any) -> AuditEvent:
    """Return an event of a while ago, its key included."""
    then = timezone.now() - ago
    key = UUID(int=first_key(then).int | uuid4().int % (1 << 62) | 7 << 76 | 2 << 62)
    known = {"id": key, "at": then, "type": AuditEvent.Type.LOGIN_FAILED, "actor": "system"}
    return AuditEvent.objects.create(**(known | facts))


def is_active(session: UserSession) -> bool:
    """Tell whether nobody has ended the session."""
    return UserSession.objects.get(pk=session.pk).is_active


def choose(
    browser: Client, action: str, *sessions: UserSession, query: str = "", **more: str
) -> Any:
    """Tick the sessions in the list and choose an action; return the page that follows."""
    ticked = [str(session.pk) for session in sessions]
    form = {"action": action, "_selected_action": ticked, **more}
    return browser.post(SESSIONS + query, form, follow=True)


def confirm(browser: Client, question: Any) -> Any:
    """Press the button of the page that asks; return the page that follows."""
    form: dict[str, list[str]] = {}
    for name, value in question.context["hidden"]:
        form.setdefault(name, []).append(value)
    return browser.post(question.request["PATH_INFO"] + query_of(question), form, follow=True)


def query_of(answer: Any) -> str:
    """Return the query string that the answer was for."""
    query = answer.request.get("QUERY_STRING", "")
    return f"?{query}" if query else ""


def said(answer: Any) -> list[str]:
    """Return the messages above the page."""
    return [str(message) for message in answer.context["messages"]]


def listed(browser: Client, path: str, **query: str) -> list[UUID]:
    """Return the keys of the rows that the list shows, from the top."""
    return [row.pk for row in browser.get(path, query).context["cl"].result_list]


def ends() -> list[AuditEvent]:
    """Return the events of ended sessions, oldest first."""
    return list(AuditEvent.objects.filter(type=AuditEvent.Type.SESSION_ENDED).order_by("id"))
