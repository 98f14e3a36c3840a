"""A Redis Cluster, over a client of the probe's own: connected when first used, and asked shard by shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any

from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

_KEPT = ("username", "password", "credential_provider", "protocol", "client_name", "driver_info")


@dataclass(frozen=True, slots=True)
class Shard:
    """One primary with the slots it holds: `title` tells them, `client` speaks to it alone."""

    title: str
    client: Any
    node: ClusterNode


class OwnCluster:
    """A client of the cluster that `given` speaks to, with the limits of a probe.

    Whatever a `RedisCluster` can do, it can. After `forget` the map of the cluster is read anew, from any
    node that was known last.
    """

    def __init__(self, given: RedisCluster, limits: dict[str, Any]) -> None:
        manager = given.nodes_manager
        nodes = [*manager.nodes_cache.values(), *manager.startup_nodes.values()]
        self._seeds = {(node.host, node.port) for node in nodes}
        kwargs = manager.connection_kwargs
        kept = {key: kwargs[key] for key in kwargs if key in _KEPT or key.startswith(("ssl", "socket_"))}
        self._options = {**kept, **limits, "address_remap": getattr(manager, "address_remap", None)}
        self._options["retry"] = Retry(NoBackoff(), 1)  # once more, after the map was read anew
        self._client: RedisCluster | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected(), name)

    def shards(self) -> Iterator[Shard]:
        """Yield every shard; raises redis-py's errors when none of its nodes tells the map."""
        client = self._connected()
        held: dict[str, list[int]] = {}
        for slot, nodes in sorted(client.nodes_manager.slots_cache.items()):
            held.setdefault(nodes[0].name, []).append(slot)
        for name, slots in held.items():
            node = client.nodes_manager.nodes_cache[name]
            yield Shard(_title(slots), client.get_redis_connection(node), node)

    def key_for(self, shard: Shard, prefix: str) -> str:
        """Return a key that begins with `prefix` and that the shard holds."""
        client = self._connected()
        slots = client.nodes_manager.slots_cache
        keys = (f"{prefix}-{number}" for number in count())
        return next(key for key in keys if slots[_slot(client, key)][0].name == shard.node.name)

    def forget(self) -> None:
        """Read the map of the cluster anew at the next use: a failover has changed it, or will."""
        client, self._client = self._client, None
        if client is not None:
            self._seeds |= {(node.host, node.port) for node in client.nodes_manager.nodes_cache.values()}
            client.close()

    close = forget

    def _connected(self) -> RedisCluster:
        if self._client is None:
            seeds = [ClusterNode(host, port) for host, port in sorted(self._seeds)]  # type: ignore[no-untyped-call]
            self._client = RedisCluster(startup_nodes=seeds, **self._options)
        return self._client


def _slot(client: RedisCluster, key: str) -> int:
    slot: int = client.keyslot(key)  # type: ignore[no-untyped-call]
    return slot


def _title(slots: list[int]) -> str:
    """Return the slots as text: the first run of them, and whether there are more."""
    last = next((slot for slot, after in pairwise(slots) if after != slot + 1), slots[-1])
    return f"slots {slots[0]}-{last}" + (" and more" if last != slots[-1] else "")
