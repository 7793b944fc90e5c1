"""What runs the tests: a test that fails is tried once more in CI, and only there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import run

ONE = ["tests/test_it.py::test_one"]


class Pytest:
    """Takes the place of pytest: the names that fail in each of its runs."""

    def __init__(self, *failing: list[str]) -> None:
        self._failing = list(failing)
        self.commands: list[tuple[str, ...]] = []

    def __call__(self, *command: str, **_environment: object) -> int:
        """Fail as said, and leave what pytest leaves."""
        self.commands.append(command)
        failing = self._failing.pop(0)
        [cache] = [part for part in command if part.startswith("cache_dir=")]
        path = Path(cache.removeprefix("cache_dir="), "v", "cache", "lastfailed")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict.fromkeys(failing, True)))
        return int(bool(failing))


def outcome(patch: pytest.MonkeyPatch, *failing: list[str]) -> tuple[int, int]:
    """Return the status and the number of runs."""
    fake = Pytest(*failing)
    patch.setattr(run, "run", fake)
    status = run.pytest("nothing", "all", {}, [])
    assert all("--last-failed" in command for command in fake.commands[1:])
    return status, len(fake.commands)


def test_a_failure_that_does_not_come_again_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECOND_TRY", "1")

    assert outcome(monkeypatch, ONE, []) == (0, 2)

    assert ONE[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("second_try", "failing", "runs"),
    [("1", [ONE, ONE], 2), ("1", [["a", "b", "c", "d"]], 1), ("", [ONE], 1), ("1", [[]], 1)],
)
def test_every_other_failure_is_one(
    monkeypatch: pytest.MonkeyPatch, second_try: str, failing: list[list[str]], runs: int
) -> None:
    monkeypatch.setenv("SECOND_TRY", second_try)

    assert outcome(monkeypatch, *failing) == (int(bool(failing[-1])), runs)
