"""A PostgreSQL, what is polled, who pings, who is told, and nodes: for as long as a measurement takes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from examples.servers import PostgresServer, children, free_port
from tests.e2e.alerts import Alerts
from tests.e2e.cluster import Node, Pinger, Targets, members, monitors, running
from tests.relay import Relay
from tests.waiting import wait_for

LONG = 3_600.0  # seconds: what is pinged is not missed, however slow the machine
SETTINGS = {
    "fsync": "on",
    "shared_buffers": "128MB",
    "shared_preload_libraries": "pg_stat_statements",
    "track_activity_query_size": "4096",
}
COUNTS = (
    "SELECT (SELECT sum(xact_commit) FROM pg_stat_database),"
    " (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements)"
)


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do: endpoints each `every` seconds, heartbeats pinged each `pinged` seconds.

    Of `quiet` heartbeats no sign ever comes; the first is missed after `first` seconds, the next each `step`.
    """

    endpoints: int
    heartbeats: int
    every: float
    pinged: float
    quiet: int = 0
    first: float = LONG
    step: float = 1.0


class Cluster:
    """`count` nodes at work; the third of several is connected to the database through `relay`."""

    def __init__(self, folder: Path, work: Work, count: int) -> None:
        self.folder, self.work, self.count = folder, work, count
        self.slugs = [f"h{number}" for number in range(work.heartbeats)]
        self.quiet = [f"q{number}" for number in range(work.quiet)]

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Everything runs, and every endpoint was looked at once."""
        with (
            PostgresServer(settings=SETTINGS) as self.server,
            Targets() as self.targets,
            Alerts() as self.alerts,
        ):
            self.url = self.server.url
            self._plain = make_url(self.url).set(drivername="postgresql").render_as_string(False)
            with psycopg.connect(self._plain, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION pg_stat_statements")
            self.relay = Relay(self.server.port)
            try:
                self.nodes = [self._node(number) for number in range(self.count)]
                with running(self.nodes, within=300):
                    wait_for(lambda: members(self.url) == self.count, 120, "all nodes")
                    self.wait_for_looks(self.work.endpoints)
                    yield
            finally:
                self.relay.close()

    def wait_for_looks(self, endpoints: int) -> None:
        """Return once so many endpoints were polled."""
        wait_for(lambda: len(self.targets.polled) == endpoints, 120, "first looks")

    def watch(self, work: Work) -> None:
        """Give all nodes something else to do."""
        for node in self.nodes:
            head = node.config.read_text().partition("[[endpoint]]")[0].partition("[[heartbeat]]")[0]
            node.config.write_text(head + self._monitors(work))
        for node in self.nodes:
            assert node.process
            node.process.send_signal(signal.SIGHUP)

    def pinger(self) -> Pinger:
        """Who pings."""
        return Pinger([each.port for each in self.nodes], self.slugs or ["none"], every=self.work.pinged)

    def counts(self) -> tuple[int, int]:
        """How many transactions the database has committed, and how many statements it has run."""
        with psycopg.connect(self._plain) as connection:
            row = connection.execute(COUNTS).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU time that the nodes have used, and that the database's sessions have."""
        return sum(each.cpu for each in self.nodes), sum(map(_cpu, children(self.server.pid)))

    def _node(self, number: int) -> Node:
        folder = self.folder / f"node-{number}"
        folder.mkdir(parents=True)
        behind = self.url
        if self.count > 1 and number == 2:
            behind = self.url.replace(f":{self.server.port}/", f":{self.relay.port}/")
        return Node(folder, behind, self.alerts.url, self._monitors(self.work), free_port())

    def _monitors(self, work: Work) -> str:
        return monitors(
            self.targets.url, work.endpoints, work.heartbeats, work.quiet,
            every=work.every, period=LONG, first=work.first, step=work.step,
        )  # fmt: skip


def _cpu(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
