"""The snippets of docs/auth/HOST_PROJECT.md, put together to the project that they describe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import AUTH, ROOT

# "… `shop/urls.py`:", then a block of Python: it belongs at the end of that file.
SNIPPET = re.compile(
    r"`(?P<path>shop/\w+\.py)`:\n\n```python\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

STORY = """
import asyncio
import json
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client
import shop.receivers
from shop.asgi import application
from shop.baskets import basket_of
from shop.incidents import sign_out_everywhere

ada = User.objects.create_user("ada", "ada@example.com", "correct horse battery staple")
bob = User.objects.create_user("bob", "bob@example.com", "correct horse battery staple")

def client():
    return Client(SERVER_NAME="localhost")

def sign_in(name):
    body = {"username": name, "password": "correct horse battery staple", "device_name": "phone"}
    answer = client().post("/auth/login", body, content_type="application/json")
    return answer.json()["data"]

def basket(tokens):
    authorization = f"Bearer {tokens['access_token']}"
    return client().get("/basket", headers={"Authorization": authorization})

adas, bobs = sign_in("ada"), sign_in("bob")
assert adas["user"] == {"id": str(ada.pk), "email": "ada@example.com", "name": ""}, adas
assert basket(adas).json() == {"owner": "ada", "device": "phone"}
assert basket_of(ada) == {"items": []} == caches["users"].get(f"shop_basket:{ada.pk}")

async def heard(tokens):
    scope = {"type": "websocket", "path": "/ws/sessions", "query_string": b"", "subprotocols": []}
    scope["headers"] = [(b"authorization", f"Bearer {tokens['access_token']}".encode())]
    socket = ApplicationCommunicator(application, scope)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output(10))["type"] == "websocket.accept"
    message = json.loads((await socket.receive_output(10))["text"])
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait()
    return message["type"]

laptop = client()
form = {"username": "ada", "password": "correct horse battery staple"}
assert laptop.post("/account/login", form).headers["Location"] == "/account/sessions"
assert laptop.get("/account/sessions").status_code == 200
assert asyncio.run(heard(adas)) == "ready"

assert sign_out_everywhere(ada, bob) == 2

assert laptop.get("/account/sessions").headers["Location"].startswith("/account/signed-out")
assert asyncio.run(heard(adas)) == "session.ended"
assert asyncio.run(heard(bobs)) == "ready"
refused = basket(adas)
assert (refused.status_code, refused.json()["code"]) == (401, "session_ended"), refused.content
assert basket(bobs).status_code == 200
assert caches["users"].get(f"shop_basket:{ada.pk}") is None
assert client().get("/auth/nothing").json()["code"] == "not_found"
assert client().get("/nothing").headers["Content-Type"].startswith("text/html")
"""


def manage(project: Path, *arguments: str) -> str:
    """Run the project's manage.py; return what it printed."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.mark.slow
def test_the_snippets_make_a_project_whose_sessions_can_be_ended(tmp_path: Path) -> None:
    start = ["-m", "django", "startproject", "shop", str(tmp_path)]
    subprocess.run([sys.executable, *start], check=True)
    for snippet in SNIPPET.finditer((AUTH / "HOST_PROJECT.md").read_text(encoding="utf-8")):
        with (tmp_path / snippet["path"]).open("a", encoding="utf-8") as file:
            file.write(f"\n{snippet['text']}")

    manage(tmp_path, "check")
    manage(tmp_path, "makemigrations", "--check", "--dry-run")
    manage(tmp_path, "migrate", "--verbosity", "0")
    told = manage(tmp_path, "shell", "--verbosity", "0", "--command", STORY)

    assert "ada signed in on phone" in told
    assert "2 sessions of user 1 ended: forced" in told
