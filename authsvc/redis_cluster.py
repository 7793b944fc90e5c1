"""The way from django-redis, which knows single servers and Sentinel, to a Redis Cluster."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django_redis.pool import ConnectionFactory
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import Connection
from redis.retry import Retry

from accounts.redis_patience import DeadlineParser


class ClusterConnectionFactory(ConnectionFactory):  # type: ignore[misc]
    """Gives one RedisCluster per process, which keeps the pools of all its nodes."""

    _clusters: ClassVar[dict[str, Any]] = {}

    def connect(self, url: str) -> Any:
        """Return the client of the cluster; a Redis error while none of its nodes answers."""
        if url not in self._clusters:
            options = self.pool_cls_kwargs | self.make_connection_params(url)
            # A second attempt is for a slot that has just moved.
            options |= {"retry": Retry(NoBackoff(), 1), "redis_connect_func": _read_with_deadline}
            del options["parser_class"]
            self._clusters[url] = _Cluster.from_url(**options)
        return self._clusters[url]

    def disconnect(self, connection: Any) -> None:
        """Close the connections to all nodes."""
        cast("RedisCluster", connection).close()


class _Cluster(RedisCluster):
    """A cluster whose pipeline takes the commands of ``accounts``."""

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> Any:
        """Return a pipeline: one round trip to each node that is concerned."""
        return _Pipeline(super().pipeline(transaction, shard_hint))  # type: ignore[no-untyped-call]


class _Pipeline:
    """redis-py's pipeline of a cluster, which by itself refuses PUBLISH and several keys."""

    def __init__(self, pipeline: Any) -> None:
        self.execute_command = pipeline.execute_command
        self.execute = pipeline.execute

    def delete(self, *keys: str) -> None:
        """Queue a DEL for each key, as each has a node of its own."""
        for key in keys:
            self.execute_command("DEL", key)

    def publish(self, channel: str, message: str) -> None:
        """Queue a PUBLISH; the nodes pass it on to each other."""
        self.execute_command("PUBLISH", channel, message)


def _read_with_deadline(connection: Connection) -> None:
    """Change the parser after the greeting: RedisCluster takes none as an option."""
    connection.set_parser(DeadlineParser)  # type: ignore[no-untyped-call]
    connection._parser.on_connect(connection)
