"""
Sign in and out from Python; the standard library is enough.

    AUTHSVC_URL=http://127.0.0.1:8000 EMAIL=... PASSWORD=... python examples/logout.py
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any


class CallFailed(Exception):
    """The server could not do what was asked; the message is for people."""


def post(url: str, path: str, *, token: str = "", body: object = None) -> tuple[int, Any]:
    """Make a call; return the HTTP status and the envelope. OSError when there is no answer."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = b"" if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, content, headers)
    try:
        response = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return response.status, json.load(response)


def sign_in(url: str, email: str, password: str, device: str) -> dict[str, Any]:
    """Sign this device in and return its tokens."""
    body = {"email": email, "password": password, "device_name": device}
    _status, answer = post(url, "/auth/login", body=body)
    if not answer["success"]:
        raise CallFailed(answer["message"])
    return {name: answer["data"][name] for name in ("access_token", "refresh_token")}


def sign_out(url: str, tokens: dict[str, Any]) -> None:
    """
    Sign out on every device and empty ``tokens``.

    Raises when the server could not do it: the tokens stay, tell the user and try again.
    """
    status, answer = post(url, "/auth/logout", token=tokens["access_token"])
    if answer["code"] == "token_expired":
        refresh = {"refresh_token": tokens["refresh_token"]}
        status, answer = post(url, "/auth/refresh", body=refresh)
        if answer["success"]:
            tokens.update(answer["data"])
            status, answer = post(url, "/auth/logout", token=tokens["access_token"])
    # A 401 says that this device had been signed out before.
    if not answer["success"] and status != 401:
        raise CallFailed(answer["message"])
    tokens.clear()


if __name__ == "__main__":
    server = os.environ["AUTHSVC_URL"]
    kept = sign_in(server, os.environ["EMAIL"], os.environ["PASSWORD"], "Python")
    sign_out(server, kept)
    print("Signed out on every device")
