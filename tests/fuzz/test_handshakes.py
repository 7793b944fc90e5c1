"""Handshakes that nobody should send: each is let in or told to go, and none is an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from accounts.ws import rows
from tests.fuzz import oddities
from tests.fuzz.trying import seeds, try_out
from tests.fuzz.world import World
from tests.races.course import Tally
from tests.ws.conftest import wait_until_idle
from tests.ws.ears import Ear, Loop

EXAMPLES = 40

names = st.one_of(
    st.sampled_from(["authorization", "cookie", "origin", "host", "content-type", "user-agent"]),
    st.sampled_from([name.lower() for name in oddities.HEADERS]),
)
values = st.one_of(
    st.binary(max_size=40),
    oddities.content_types.map(lambda text: text.encode("latin-1")),
    oddities.who.map(lambda text: text.encode("latin-1")),
    st.sampled_from([b"sessionid=\xff", b'sessionid="0000000\\000"', b"http://testserver"]),
)
headers = st.lists(st.tuples(names.map(str.encode), values), max_size=4)
subprotocols = st.lists(
    st.one_of(st.sampled_from(["authsvc.v1", "bearer.", "bearer.a.b.c"]), oddities.latin),
    max_size=3,
)
queries = st.one_of(st.just(""), oddities.latin, oddities.queries)


@pytest.fixture
def loop(db: None) -> Iterator[Loop]:
    """The event loop that a process has."""
    loop = Loop()
    yield loop
    loop.close()
    wait_until_idle(rows.HANDSHAKES, 4)
    wait_until_idle(rows.LOOKS, 2)


def test_every_handshake_is_let_in_or_told_to_go(loop: Loop, world: World, tally: Tally) -> None:
    heard = Counter[str]()

    def check(fields: list[tuple[bytes, bytes]], offered: list[str], query: str, who: str) -> None:
        world.begin()
        credentials = world.credentials(who).items()
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in credentials]

        ear = Ear(loop, [*sent, *fields], subprotocols=tuple(offered), path=f"/ws/sessions?{query}")
        message = ear.hears()
        ear.leaves()

        assert ear.is_accepted
        assert message == 4401 or message["type"] in {"ready", "session.ended"}
        heard["refused" if message == 4401 else message["type"]] += 1

    for by in seeds(tally, 40):
        try_out(
            check,
            examples=EXAMPLES,
            by=by,
            fields=headers,
            offered=subprotocols,
            query=queries,
            who=oddities.callers,
        )

    assert heard["ready"]
    assert heard["refused"]
    tally.claim(
        "odd handshakes of a socket",
        f"each let in or refused with 4401, 0 errors in {heard.total()}",
    )
