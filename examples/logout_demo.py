"""
Sign out on one device and see what becomes of the others: they are refused, and told.

    python examples/logout_demo.py --serve              starts a server of its own, and stops it
    python examples/logout_demo.py --url https://auth.example.com

The server that ``--serve`` starts uses DATABASE_URL and REDIS_URL when they are set, and else a
SQLite file that is thrown away. With REDIS_URL the keys in Redis are shown, too. A user with a
new address is registered and stays behind, signed out. One of the devices listens,
where the server has /ws/ at the same address.

Every line is checked. The exit status is 0 when all was as promised and 1 when something was not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from demo_server import HTTP, server
from demo_socket import Socket
from redis import Redis, RedisError

# Seconds: what a socket is promised, also when Redis has lost the notice.
PROMISED = 15.0


class PromiseBroken(Exception):
    """The service did something else than its documents say."""


@dataclass
class Device:
    """What an app on a phone does: it calls the API and keeps its tokens."""

    name: str
    url: str
    tokens: dict[str, Any] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        expect: int,
        code: str | None = None,
    ) -> Any:
        """Make the call, print what came, insist on ``expect`` and ``code``; return the data."""
        headers = {"Content-Type": "application/json"}
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        try:
            response = HTTP.open(request, timeout=10)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            answer = json.load(response)
        what = answer["code"] or answer["message"]
        print(f"   {self.name:<7} {method:<5} {path:<16} {response.status}  {what}")
        if (response.status, answer["code"]) != (expect, code):
            raise PromiseBroken(f"{method} {path} must answer {expect} {code or ''}".rstrip())
        return answer["data"]

    def sign_in(self, email: str, password: str) -> None:
        """Sign in and keep the tokens."""
        body = {"email": email, "password": password, "device_name": self.name}
        self.tokens = self.call("POST", "/auth/login", body, expect=200)

    def refresh(self, *, expect: int, code: str | None) -> None:
        """Try to exchange the refresh token."""
        body = {"refresh_token": self.tokens["refresh_token"]}
        self.call("POST", "/auth/refresh", body, expect=expect, code=code)

    def listen(self) -> Socket:
        """Open a socket; ConnectionRefusedError where the server has none."""
        path, token = f"{self.url}/ws/sessions", self.tokens["access_token"]
        return Socket(path, token, timeout=PROMISED)

    def hear(self, socket: Socket, expect: str) -> None:
        """Print what comes and insist on it; "sessions.changed" may be of the sign-ins before."""
        what = "sessions.changed"
        while what == "sessions.changed":
            what = socket.hear()
        print(f"   {self.name:<7} hears {what}")
        insist(what == expect, f"the {self.name} must hear {expect}")


def tell(url: str, redis: Redis | None) -> None:
    """Tell the story against the server at ``url``; raise PromiseBroken where it goes wrong."""
    email, password = f"ada-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(16)
    devices = [Device(name, url) for name in ("phone", "laptop", "tablet")]
    phone, laptop, tablet = devices

    print(f"1. Ada registers as {email} and signs in on three devices.")
    person = {"email": email, "password": password, "name": "Ada"}
    user_id = phone.call("POST", "/auth/register", person, expect=201)["user"]["id"]
    for device in devices:
        device.sign_in(email, password)

    print("\n2. The phone shows where she is signed in.")
    sessions = phone.call("GET", "/auth/sessions", expect=200)
    for session in sessions:
        print(f"           {session['device_name']:<7} {'this one' * session['current']}".rstrip())
    insist(len(sessions) == 3, "there must be three sessions")

    print("\n3. Every device reads the profile and the workspace, which fills the cache.")
    for device in devices:
        device.call("GET", "/auth/profile", expect=200)
        device.call("GET", "/auth/workspace", expect=200)
    show_keys(redis, user_id, expect=3)

    print("\n4. The laptop listens, and she signs out on the phone.")
    sign_out(phone, laptop)

    print("\n5. No device is signed in any more, and none can come back by itself.")
    for device in devices:
        device.call("GET", "/auth/profile", expect=401, code="session_ended")
    for device in (laptop, tablet):
        device.refresh(expect=401, code="session_ended")
    show_keys(redis, user_id, expect=0)

    print("\n6. She signs in again and looks at what happened.")
    phone.sign_in(email, password)
    events = phone.call("GET", "/auth/events", expect=200)["results"]
    for event in events:
        why = f"{event['reason']}, {event['count']} devices" if event["reason"] else ""
        print(f"           {event['type']:<16} {why}".rstrip())
    ended = [(event["reason"], event["count"]) for event in events if event["reason"]]
    insist(ended == [("logout_all", 3)], "the trail must have one logout of three sessions")
    phone.call("POST", "/auth/logout", expect=200)


def sign_out(phone: Device, laptop: Device) -> None:
    """Sign out on the phone; the laptop is told, where there is something to listen to."""
    try:
        socket = laptop.listen()
    except ConnectionRefusedError:
        print("   laptop  hears nothing: this server has no /ws/")
        phone.call("POST", "/auth/logout", expect=200)
        return
    with socket:
        laptop.hear(socket, "ready")
        phone.call("POST", "/auth/logout", expect=200)
        laptop.hear(socket, "session.ended logout_all")
        laptop.hear(socket, "close 4401")


def show_keys(redis: Redis | None, user_id: str, *, expect: int) -> None:
    """Show which of the user's documents Redis holds, and insist on how many."""
    if redis is None:
        return
    names = [f"{name}:{user_id}" for name in ("user", "user_profile", "user_workspace")]
    held = [name for name in names if redis.exists(name)]
    print("   Redis holds", ", ".join(held) or "none of her keys")
    insist(len(held) == expect, f"Redis must hold {expect} of the user's keys")


def insist(kept: bool, promise: str) -> None:
    """Raise PromiseBroken unless the promise was kept."""
    if not kept:
        raise PromiseBroken(promise)


def main() -> int:
    """Tell the story; return 0 when all was as promised."""
    parser = argparse.ArgumentParser(description="Sign out on one device, watch the others.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="of a running server, such as http://127.0.0.1:8000")
    where.add_argument("--serve", action="store_true", help="start one for this demonstration")
    arguments = parser.parse_args()
    redis_url = os.environ.get("REDIS_URL", "")
    try:
        with contextlib.ExitStack() as stack:
            redis = stack.enter_context(Redis.from_url(redis_url)) if redis_url else None
            url = arguments.url or stack.enter_context(server())
            print(f"authsvc on {url}\n")
            tell(url.rstrip("/"), redis)
    except PromiseBroken as error:
        print(f"\nNot as promised: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError, RedisError) as error:
        print(f"\nCannot go on: {error}", file=sys.stderr)
        return 1
    print("\nAll as promised.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
