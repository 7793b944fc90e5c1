"""
What the documents show: their blocks, and a console that types what they tell to type.

A ``console`` block is commands after ``$ ``, each followed by what it prints. What differs from
run to run (ids, tokens, times, versions, the port) is compared by its kind, and JSON by its
value, so that a document may break it into lines. The commands of this repository's virtual
environment are those of the tests', and ``manage.py`` works on the tests' database.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AUTH = ROOT / "docs" / "auth"
SERVER = "http://127.0.0.1:8000"
PYTHON = ".venv/bin/python"

_BLOCK = re.compile(r"^```(?P<language>[\w.-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "@@ end of output @@"
_KINDS = {
    r"eyJ[\w.-]+…?": "<token>",
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "<id>",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z": "<time>",
    r"\bcurl/[\d.]+": "curl/<version>",
    r"\bcursor=\w+(%3D)*": "cursor=<cursor>",
    r"ada-[0-9a-f]{8}@": "ada-<unique>@",
    r"-workspace-[0-9a-f]{12}\b": "-workspace-<unique>",
    r"http://(127\.0\.0\.1|localhost):\d+": SERVER,
    r"\bRetry-After: \d+": "Retry-After: <seconds>",
}


def documents() -> list[Path]:
    """Return every document of the repository."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(document: Path, language: str) -> list[str]:
    """Return the fenced blocks of ``language``, in order."""
    found = _BLOCK.finditer(document.read_text(encoding="utf-8"))
    return [block["text"] for block in found if block["language"] == language]


def section(document: Path, heading: str) -> str:
    """Return what stands below ``heading``, up to the next heading of the same level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    text = document.read_text(encoding="utf-8")
    found = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"{document.name} has no {heading!r}"
    return found[1]


def rows(text: str) -> dict[str, list[str]]:
    """Return the other cells of each row of the tables in ``text``, by the code in its first."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, re.MULTILINE)
    return {code: [cell.strip() for cell in cells.split("|")] for code, cells in found}


@dataclass
class Step:
    """A command of a console and what it prints."""

    command: str
    output: str


def steps(texts: Iterable[str]) -> list[Step]:
    """Return the commands of console blocks with what the document says they print."""
    found: list[Step] = []
    for line in "".join(texts).splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:], ""))
        elif _goes_on(found[-1].command):
            found[-1].command += f"\n{line}"
        else:
            found[-1].output += f"{line}\n"
    return found


def _goes_on(command: str) -> bool:
    """Tell whether a shell would wait for another line: a quote or a backslash is open."""
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False


def type_in(commands: Iterable[str], *, url: str, database_url: str) -> list[str]:
    """Type the commands into one shell, for a server at ``url``; return what each prints."""
    script = "".join(f"{command}\necho '{_END}'\n" for command in commands)
    shell = subprocess.run(
        ["bash", "-c", script.replace(SERVER, url).replace(PYTHON, shlex.quote(sys.executable))],
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "NO_PROXY": "*", "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return shell.stdout.split(_END)[:-1]


def comparable(text: str) -> list[object]:
    """Return ``text`` without what differs from run to run: JSON values and other lines."""
    for pattern, kind in _KINDS.items():
        text = re.sub(pattern, kind, text)
    found: list[object] = []
    while text := text.strip():
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            value, _newline, text = text.partition("\n")
            found.append(value.rstrip())
        else:
            found.append(value)
            text = text[end:]
    return found
