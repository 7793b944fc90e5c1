"""What the fuzzing may ask for. The rows are committed, for what happens after that to happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from django.core.handlers.wsgi import WSGIHandler

from accounts import mails
from authsvc.requests import tolerate
from tests.fuzz.world import World
from tests.races.conftest import db
from tests.races.course import tally

__all__ = ["db", "tally"]


@pytest.fixture(scope="module")
def application() -> WSGIHandler:
    """The service, as a WSGI server has it: with all of its middleware, in its own settings."""
    return tolerate(WSGIHandler())


class AtOnce:
    """Sends mails at once, so that one which cannot be sent is an error of the request."""

    def submit(self, work: Callable[..., object], *args: object) -> Future[object]:
        """Do the work, and return what tells that it was done."""
        done = Future[object]()
        done.set_result(work(*args))
        return done


@pytest.fixture(scope="module")
def world(db: None) -> Iterator[World]:
    """The people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mails, "_senders", AtOnce())
        yield World()
