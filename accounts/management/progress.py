"""Progress bars of commands."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper
from tqdm import tqdm


class _Plain:
    """A command's stderr without what Django adds to it: a colour, and an end to every line."""

    def __init__(self, stderr: OutputWrapper) -> None:
        self._stderr = stderr

    def write(self, text: str) -> None:
        """Write the text as it is, so that a bar is drawn over the one before."""
        self._stderr.write(text, style_func=str, ending="")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stderr, name)


def bar(stderr: OutputWrapper, **options: Any) -> tqdm[Any]:
    """Return a progress bar on a command's stderr."""
    return tqdm(file=_Plain(stderr), **options)
