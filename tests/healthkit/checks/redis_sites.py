"""Real Redis servers that stand together: a master with its replica and Sentinels, and a cluster."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

from examples.servers import RedisServer, ServerError
from tests.waiting import wait_for

NAME = "shop"
SLOTS = 16_384
BUS = 10_000
SOON = {"cluster-node-timeout": "3000", "repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0"}


class SentinelServer(RedisServer):
    """A Sentinel that watches one master and, as the only one, decides by itself."""

    title = "Redis Sentinel"

    def __init__(self, master: RedisServer) -> None:
        super().__init__()
        self._master = master

    def _command(self) -> list[str]:
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}"]
        lines += [f"sentinel monitor {NAME} 127.0.0.1 {self._master.port} 1"]
        lines += [f"sentinel down-after-milliseconds {NAME} 1500", f"sentinel failover-timeout {NAME} 3000"]
        path = self.folder / "sentinel.conf"
        if not path.exists():  # it writes into it what it learns
            path.write_text("\n".join(lines) + "\n")
        return [str(self._binary), str(path), "--sentinel"]


@dataclass(frozen=True)
class Watched:
    """A master, its replica, and the Sentinel that may swap them."""

    master: RedisServer
    replica: RedisServer
    sentinel: SentinelServer

    def client(self, **options: Any) -> redis.Redis:
        """Return a client to whoever is the master, made as apps make it."""
        found: redis.Redis = Sentinel([("127.0.0.1", self.sentinel.port)]).master_for(NAME, **options)  # type: ignore[no-untyped-call]
        return found


@contextlib.contextmanager
def watched() -> Iterator[Watched]:
    """Run a master, its replica and a Sentinel that knows both."""
    with RedisServer() as master, RedisServer(settings={"replicaof": f"127.0.0.1 {master.port}"}) as replica:
        with redis.Redis.from_url(replica.url) as client:
            wait_for(lambda: client.info("replication")["master_link_status"] == "up", 30, "the link")
        with SentinelServer(master) as sentinel, redis.Redis(port=sentinel.port) as asked:
            wait_for(lambda: asked.sentinel_slaves(NAME), 30, "a Sentinel that knows the replica")
            yield Watched(master, replica, sentinel)


@contextlib.contextmanager
def cluster(primaries: int = 3) -> Iterator[list[RedisServer]]:
    """Run a cluster: so many primaries, which share the slots, and one replica, of the first."""
    with contextlib.ExitStack() as stack:
        settings = {"cluster-enabled": "yes", "cluster-require-full-coverage": "no", **SOON}
        servers = []
        for _ in range(primaries + 1):
            servers.append(_node(settings))
            stack.callback(servers[-1].stop)
        clients = [stack.enter_context(redis.Redis(port=server.port)) for server in servers]
        share = SLOTS // primaries + 1
        for number, client in enumerate(clients[:primaries]):
            slots = range(number * share, min(SLOTS, (number + 1) * share))
            client.execute_command("CLUSTER ADDSLOTS", *slots)
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for server in servers[1:]:
            clients[0].execute_command("CLUSTER MEET", "127.0.0.1", server.port)
        for client in clients:
            wait_for(lambda c=client: len(_nodes(c)) == primaries + 1, 30, "nodes that know each other")  # type: ignore[misc]
        clients[-1].execute_command("CLUSTER REPLICATE", clients[0].execute_command("CLUSTER MYID"))
        for client in clients:
            wait_for(lambda c=client: _is_whole(c), 30, "a cluster that is whole")  # type: ignore[misc]
        wait_for(lambda: clients[0].info("replication")["connected_slaves"] == 1, 30, "its replica")
        yield servers


def cluster_client(server: RedisServer, **options: Any) -> RedisCluster:
    """Return a client of the cluster, made as apps make it."""
    return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", server.port)], **options)  # type: ignore[no-untyped-call]


def _node(settings: dict[str, str]) -> RedisServer:
    """Return a running node; its bus listens at its port + 10,000, so that both have to be free."""
    for _ in range(20):
        port = random.randrange(10_000, 22_000)  # both below what the system hands out by itself
        try:
            for wanted in (port, port + BUS):
                with socket.socket() as tried:
                    tried.bind(("127.0.0.1", wanted))
            return RedisServer(port=port, settings=settings).start()
        except (OSError, ServerError):
            continue
    raise ServerError(f"no two free ports that lie {BUS:,} apart")


def _nodes(client: redis.Redis) -> Any:
    return client.execute_command("CLUSTER NODES")  # type: ignore[no-untyped-call]


def _is_whole(client: redis.Redis) -> bool:
    info: Any = client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    slaves = [node for node in _nodes(client).values() if "slave" in node["flags"]]
    return bool(info["cluster_state"] == "ok" and len(slaves) == 1)
