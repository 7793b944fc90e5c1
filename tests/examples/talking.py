"""
The clients of ``examples/``, as programs that do what a test tells them, line by line.

Each line in and out is JSON. What a client is told by the service it says unasked::

    ["call", "GET", "/auth/profile"]      ["done", {…}] or ["failed", "session_ended"]
                                          ["keep", {…}], ["changed"], ["signed out", "logout_all"]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from queue import Empty, Queue
from typing import Any, Self

from tests.documents import ROOT

PATIENCE = 30.0
SILENCE = 0.5

JAVASCRIPT = """
import { createInterface } from "node:readline";
import { Client } from "./examples/authsvc.mjs";

const say = (...words) => console.log(JSON.stringify(words));
const client = new Client(process.env.AUTHSVC_URL, {
  onSignedOut: (reason) => say("signed out", reason),
  onSessionsChanged: () => say("changed"),
  keep: (tokens) => say("keep", tokens),
});
const acts = {
  resume: (tokens) => client.resume(tokens),
  signIn: (...words) => client.signIn(...words),
  call: (...words) => client.call(...words),
  many: (count, ...words) =>
    Promise.all(Array.from({ length: count }, () => client.call(...words))),
  signOut: () => client.signOut(),
  listen: () => client.listen(),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [act, ...words] = JSON.parse(line);
  try {
    say("done", (await acts[act](...words)) ?? null);
  } catch (error) {
    say("failed", error.status ? error.code : "no answer");
  }
}
process.exit();
"""

PYTHON = """
import json, os, runpy, sys
from concurrent.futures import ThreadPoolExecutor

library = runpy.run_path("examples/authsvc_client.py")

def say(*words):
    sys.stdout.write(json.dumps(words) + "\\n")
    sys.stdout.flush()

client = library["Client"](
    os.environ["AUTHSVC_URL"],
    signed_out=lambda reason: say("signed out", reason),
    sessions_changed=lambda: say("changed"),
    keep=lambda tokens: say("keep", tokens),
)

def many(count, *words):
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _number: client.call(*words), range(count)))

acts = {
    "resume": client.resume,
    "signIn": client.sign_in,
    "call": client.call,
    "many": many,
    "signOut": client.sign_out,
    "listen": client.listen,
}
for line in sys.stdin:
    act, *words = json.loads(line)
    try:
        say("done", acts[act](*words))
    except library["CallFailed"] as error:
        say("failed", error.code)
    except Exception as error:
        say("failed", "no answer")
"""

# Node has a WebSocket behind this flag from 20.10 on, and for everybody from 22 on.
_FLAG = "--experimental-websocket"
_HAS_WEBSOCKET = "process.exit(typeof WebSocket === 'function' ? 0 : 1)"


def _node_listens() -> bool:
    if shutil.which("node") is None:
        return False
    probe = ["node", _FLAG, "--eval", _HAS_WEBSOCKET]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


LISTENING = ["python", *(["node"] if _node_listens() else [])]
CLIENTS = {
    "python": [sys.executable, "-c", PYTHON],
    "node": [
        *("node", *([_FLAG] if "node" in LISTENING else [])),
        *("--input-type=module", "--eval", JAVASCRIPT),
    ],
}


class Talking:
    """A client in a process of its own, from the moment that its block is entered."""

    def __init__(self, client: str, url: str) -> None:
        self._command = CLIENTS[client]
        self._environment = {**os.environ, "AUTHSVC_URL": url, "NO_PROXY": "*"}
        self._said: Queue[list[Any]] = Queue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def does(self, *words: object) -> list[list[Any]]:
        """Have it do something; return what it said until then, and how that ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(words)}\n")
        self._process.stdin.flush()
        said = [self.says()]
        while said[-1][0] not in {"done", "failed"}:
            said.append(self.says())
        return said

    def says(self) -> list[Any]:
        """Return what it says next."""
        return self._said.get(timeout=PATIENCE)

    def is_silent(self) -> bool:
        """Tell whether it says nothing for a moment."""
        try:
            self._said.get(timeout=SILENCE)
        except Empty:
            return True
        return False

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))
