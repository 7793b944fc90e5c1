from __future__ import annotations

import socket
from typing import Any

import pytest
from redis.cluster import RedisCluster
from redis.connection import Connection

from accounts.redis_patience import DeadlineParser
from authsvc import backends, redis_cluster

URL = "redis+cluster://ada:s%40crt@node.example:7000"


class Nodes:
    """Stands for redis-py's client, which asks a node for the others when it is made."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.options = options
        self.closed = False

    def close(self) -> None:
        """Note it."""
        self.closed = True


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> redis_cluster.ClusterConnectionFactory:
    """The factory that django-redis makes from REDIS_URL."""
    monkeypatch.setenv("REDIS_URL", URL)
    monkeypatch.setattr(redis_cluster.ClusterConnectionFactory, "_clusters", {})
    monkeypatch.setattr(RedisCluster, "from_url", Nodes)
    return redis_cluster.ClusterConnectionFactory(backends.caches()["default"]["OPTIONS"])


def test_a_process_has_one_client_of_a_cluster(
    factory: redis_cluster.ClusterConnectionFactory,
) -> None:
    location = backends.caches()["default"]["LOCATION"]

    first, second = factory.connect(location), factory.connect(location)

    assert first is second
    assert first.url == "redis://ada:s%40crt@node.example:7000"


def test_a_cluster_has_the_patience_of_a_single_server(
    factory: redis_cluster.ClusterConnectionFactory,
) -> None:
    options = factory.connect("redis://node.example").options

    assert options["socket_timeout"] == 0.2
    assert options["socket_connect_timeout"] == 0.2
    assert options["retry"].get_retries() == 1
    assert "parser_class" not in options


def test_all_connections_of_a_cluster_are_closed_together(
    factory: redis_cluster.ClusterConnectionFactory,
) -> None:
    client = factory.connect("redis://node.example")

    factory.disconnect(client)

    assert client.closed


def test_a_connection_to_a_node_reads_with_a_deadline(
    factory: redis_cluster.ClusterConnectionFactory,
) -> None:
    change_parser = factory.connect("redis://node.example").options["redis_connect_func"]
    connection: Any = Connection()  # type: ignore[no-untyped-call]
    connection._sock, far_end = socket.socketpair()
    with far_end:
        change_parser(connection)

        assert isinstance(connection._parser, DeadlineParser)
        connection.disconnect()


def test_a_pipeline_sends_each_key_to_its_own_node(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, ...]] = []

    class Queue:
        """Stands for redis-py's pipeline of a cluster."""

        execute_command = staticmethod(lambda *command: sent.append(command))
        execute = staticmethod(lambda: sent)

    monkeypatch.setattr(RedisCluster, "pipeline", lambda *_arguments: Queue)
    cluster = redis_cluster._Cluster.__new__(redis_cluster._Cluster)

    pipeline = cluster.pipeline()
    pipeline.delete("user:1", "user_profile:1")
    pipeline.publish("accounts:sessions", "1")

    assert pipeline.execute() == [
        ("DEL", "user:1"),
        ("DEL", "user_profile:1"),
        ("PUBLISH", "accounts:sessions", "1"),
    ]
