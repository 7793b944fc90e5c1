"""
How often a race is run: a few times in ``make test``, as often as is claimed in ``make races``.

``make races`` gives pytest a plugin that is a ``Tally`` of the long sort; see ``__main__``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


class Tally:
    """The short form: few rounds, and nobody reads the figures."""

    is_full = False

    def rounds(self, short: int, full: int) -> Iterable[int]:
        """Return the rounds to run: ``short`` of them, or ``full`` in the full form."""
        return range(min(short, full))

    def claim(self, promise: str, found: str) -> None:
        """Say what was ``found``, its N included, about a ``promise`` of docs/reliability.md."""
        assert found
        assert f"| {promise} |" in DOCUMENT.read_text(encoding="utf-8")


def tally_of(config: pytest.Config) -> Tally:
    """Return the tally that this run was started with; without one, of the short form."""
    found = [plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, Tally)]
    return found[0] if found else Tally()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """What counts the rounds of this run."""
    return tally_of(request.config)
