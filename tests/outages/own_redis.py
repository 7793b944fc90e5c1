"""A Redis of the tests' own: what is wrong with it concerns nobody else."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Literal

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from authsvc.processes import end_with_parent
from tests.faults.proxy import Proxy
from tests.ports import free_port

IS_HERE = bool(shutil.which("redis-server")) or os.environ.get("REQUIRE_SERVICES") == "1"

Fault = Literal["refuse", "reset", "hang", "drip", "garbage", "read-only", "full"]
FAULTS: tuple[Fault, ...] = ("refuse", "reset", "hang", "drip", "garbage", "read-only", "full")


class OwnRedis:
    """A server and the proxy before it; ``url`` leads through the proxy."""

    def __init__(self, direct: redis.Redis, proxy: Proxy) -> None:
        self._direct, self._proxy = direct, proxy
        self.url = f"redis://127.0.0.1:{proxy.port}/0"

    @property
    def requests(self) -> int:
        """How many came so far; none come where connections are refused."""
        return self._proxy.requests

    def fails(self, fault: Fault) -> None:
        """Let something be wrong: on the way to the server, or with the server itself."""
        match fault:
            case "read-only":
                # A replica whose master is away, as a failover leaves one behind.
                self._direct.replicaof("127.0.0.1", "1")
            case "full":
                self._direct.config_set("maxmemory", 1)
            case mode:
                self._proxy.mode = mode

    def heals(self) -> None:
        """Let nothing be wrong."""
        self._proxy.mode = "pass"
        self._direct.replicaof("NO", "ONE")
        self._direct.config_set("maxmemory", 0)


@contextlib.contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """Start a server that keeps nothing, and let it end."""
    address = host, port = ("127.0.0.1", free_port())
    options = ("--port", str(port), "--bind", host, "--save", "", "--appendonly", "no")
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            ["redis-server", *options, "--dir", directory],
            stdout=subprocess.DEVNULL,
            preexec_fn=end_with_parent,
        )
        try:
            patient = Retry(ConstantBackoff(0.05), 200)
            with redis.Redis(port=port, retry=patient) as direct, Proxy(address) as proxy:
                direct.ping()
                yield OwnRedis(direct, proxy)
        finally:
            process.kill()
            process.wait()
