"""Do several nodes on one PostgreSQL keep their word when they die and sleep, and what do they cost?

`python -m bench.nodes [--quick] [--only cost|faults] [--endpoints N] [--heartbeats N]`.

*Faults*: four nodes; one is killed and comes back, one sleeps (SIGSTOP) and wakes, one is cut from the
database by a relay, one more is killed; meanwhile heartbeats are missed, one after another. Every promise is
a row; one that is broken makes the exit code 1. *Cost*: the same work with 1, 2 and 4 nodes: polls and pings
a second, the nodes' CPU time per 1,000 of them, and the transactions that the database commits; then the same
without any work, which is what nodes cost by themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from examples.servers import PostgresServer, free_port
from tests.e2e.alerts import Alerts
from tests.e2e.cluster import Node, Pinger, Targets, members, miscounted, monitors, running, stored
from tests.relay import Relay
from tests.waiting import wait_for

LEASE = 15.0  # seconds within which a lost node's endpoints are polled again
PINGED = 120.0  # seconds in which each heartbeat gives one sign
LONG = 3_600.0  # seconds: what is pinged is not missed, however slow the machine


@dataclass(frozen=True, slots=True)
class Size:
    """How much work there is; `every` seconds between two polls of an endpoint."""

    endpoints: int
    heartbeats: int
    quiet: int
    every: float
    pinged: float
    sleep: float  # seconds that a node is stopped
    watched: float  # seconds that the cost is measured for


FULL = Size(2_000, 20_000, 100, every=10.0, pinged=PINGED, sleep=60.0, watched=20.0)
QUICK = Size(100, 200, 12, every=2.0, pinged=5.0, sleep=15.0, watched=5.0)


@dataclass(frozen=True, slots=True)
class Promise:
    """A row: what was promised, what was seen, and whether it held."""

    name: str
    seen: str
    kept: bool


class Cluster:
    """A PostgreSQL, what is polled, who is told, and nodes; `cut` is the last node's relay."""

    def __init__(self, folder: Path, size: Size, first: float, step: float, count: int) -> None:
        self.folder, self.size, self.count = folder, size, count
        self.first, self.step = first, step
        self.slugs = [f"h{number}" for number in range(size.heartbeats)]
        self.quiet = [f"q{number}" for number in range(size.quiet)]

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Everything runs, and every endpoint was looked at once."""
        with (
            PostgresServer(settings={"fsync": "on", "shared_buffers": "128MB"}) as self.server,
            Targets() as self.targets,
            Alerts() as self.alerts,
        ):
            self.url = self.server.url
            self.relay = Relay(self.server.port)
            try:
                self.nodes = [self._node(number) for number in range(self.count)]
                with running(self.nodes, within=300):
                    wait_for(lambda: members(self.url) == self.count, 120, "all nodes")
                    wait_for(lambda: len(self.targets.polled) == self.size.endpoints, 120, "first looks")
                    yield
            finally:
                self.relay.close()

    def pinger(self) -> Pinger:
        """Who pings."""
        return Pinger([each.port for each in self.nodes], self.slugs or ["none"], every=self.size.pinged)

    def commits(self) -> int:
        """How many transactions the database has committed."""
        plain = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as connection:
            row = connection.execute("SELECT sum(xact_commit) FROM pg_stat_database").fetchone()
        return int(row[0]) if row else 0

    def _node(self, number: int) -> Node:
        size, folder = self.size, self.folder / f"node-{number}"
        folder.mkdir(parents=True)
        text = monitors(
            self.targets.url, size.endpoints, size.heartbeats, size.quiet,
            every=size.every, period=LONG, first=self.first, step=self.step,
        )  # fmt: skip
        behind = self.url
        if self.count > 1 and number == 2:
            behind = self.url.replace(f":{self.server.port}/", f":{self.relay.port}/")
        return Node(folder, behind, self.alerts.url, text, free_port())


def cost(folder: Path, size: Size) -> Iterator[tuple[str, ...]]:
    """Give a row for each number of nodes, at work and idle."""
    idle = Size(0, 0, 0, size.every, size.pinged, size.sleep, size.watched)
    for count in (1, 2, 4):
        for work in (size, idle):
            cluster = Cluster(folder / f"cost-{count}-{work.endpoints}", work, LONG, 1.0, count)
            with cluster.up():
                yield _measured(cluster, count)


def _measured(cluster: Cluster, count: int) -> tuple[str, ...]:
    with cluster.pinger() if cluster.slugs else contextlib.nullcontext() as pinger:
        time.sleep(5)  # what the start brings is over
        began, cpu, commits = time.monotonic(), sum(each.cpu for each in cluster.nodes), cluster.commits()
        pings = len(pinger.answered) if pinger else 0
        time.sleep(cluster.size.watched)
        now = time.monotonic()
        took = now - began
        cpu = sum(each.cpu for each in cluster.nodes) - cpu
        commits = cluster.commits() - commits
        pings = (len(pinger.answered) if pinger else 0) - pings
    polls = cluster.targets.count(began, now)
    share = f"{cpu / (polls + pings) * 1000:.2f}" if polls + pings else "-"
    return (
        str(count), f"{polls / took:.0f}", f"{pings / took:.0f}", f"{cpu / took:.2f}", share,
        f"{commits / took:.1f}",
    )  # fmt: skip


def faults(folder: Path, size: Size) -> list[Promise]:
    """Let nodes die, sleep and be cut off; return what became of the promises."""
    span = 2.0 * size.sleep
    cluster = Cluster(folder / "faults", size, first=20.0, step=(span + 20.0) / max(1, size.quiet), count=4)
    with cluster.up():
        with cluster.pinger() as pinger:
            began = time.monotonic()
            _torment(cluster.nodes, cluster.relay, size.sleep)
            ended = time.monotonic()
            wait_for(lambda: members(cluster.url) == 4, 60, "all nodes, again")
            told = _wait_for_alerts(cluster)
            after = time.monotonic()
            time.sleep(2 * size.every)
            settled = cluster.targets.count(after, time.monotonic()) / (time.monotonic() - after)
        found = _promises(cluster, pinger, told, cluster.targets.longest_gap(began, ended), settled)
        met = [each.output.partition("Traceback") for each in cluster.nodes]
        traces = sum(bool(word) for _, word, _ in met)
        for head, word, tail in met:
            if word:
                _say(f"{head[-300:]}{word}{tail[:3000]}")
        return [*found, Promise("nodes that met an error of their own", str(traces), traces == 0)]


def _torment(nodes: Sequence[Node], relay: Relay, sleep: float) -> None:
    killed, asleep, _behind_the_relay, later = nodes
    killed.kill()
    _say("killed one")
    time.sleep(sleep / 3)
    killed.launch().ready(300)
    asleep.freeze()
    _say("stopped one")
    woken = threading.Timer(sleep, asleep.thaw)
    woken.start()
    time.sleep(sleep / 6)
    with relay.black_hole():
        _say("cut one off")
        time.sleep(sleep / 2)
    woken.join()
    _say("woke it up, killed another")
    later.kill()
    time.sleep(sleep / 4)
    later.launch().ready(300)


def _wait_for_alerts(cluster: Cluster) -> list[tuple[str, str]]:
    """Return (monitor, dedup key) of every message that opened an incident, once all have come."""

    def told() -> list[tuple[str, str]]:
        return [
            (each["name"], message["incident"]["dedup_key"])
            for message in cluster.alerts.messages()
            if message["event"] == "opened"
            for each in message["incident"]["monitors"]
        ]

    end = time.monotonic() + 120
    while time.monotonic() < end and not {name for name, _ in told()} >= set(cluster.quiet):
        time.sleep(0.5)
    return told()


def _promises(
    cluster: Cluster, pinger: Pinger, told: list[tuple[str, str]], gap: float, settled: float
) -> list[Promise]:
    size, rids = cluster.size, stored(cluster.url)
    names = Counter(name for name, _ in set(told))
    lost = set(cluster.quiet) - names.keys()
    false = names.keys() - set(cluster.quiet)
    doubled = [name for name, count in names.items() if count > 1]
    repeats = len(told) - len(set(told))
    missing, strange = pinger.answered - rids, rids - pinger.sent
    wrong, rate = miscounted(cluster.url), size.endpoints / size.every
    bound = size.every + LEASE
    due = f"{rate:.0f} are due"
    return [
        Promise(
            "pings answered 200, not in the store", f"{len(missing)} of {len(pinger.answered)}", not missing
        ),
        Promise("pings in the store that nobody sent", str(len(strange)), not strange),
        Promise("heartbeats whose count is not their rows", str(len(wrong)), not wrong),
        Promise("alerts lost", f"{len(lost)} of {len(cluster.quiet)}", not lost),
        Promise("alerts under two dedup keys", str(len(doubled)), not doubled),
        Promise("alerts for what was well", str(len(false)), not false),
        Promise("messages repeated under one key (allowed)", str(repeats), True),
        Promise(f"longest time without a poll ({bound:.0f} s at most)", f"{gap:.1f} s", gap <= bound),
        Promise(f"polls a second afterwards ({due})", f"{settled:.1f}", settled < 1.2 * rate),
        Promise("slowest ping that was answered 200", f"{pinger.slowest:.2f} s", True),
        Promise("pings told to come again (503)", str(pinger.refused), True),
    ]


def _say(text: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print, and return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small form, about two minutes")
    parser.add_argument("--only", choices=("cost", "faults"))
    parser.add_argument("--endpoints", type=int)
    parser.add_argument("--heartbeats", type=int)
    given = parser.parse_args()
    plain = QUICK if given.quick else FULL
    size = Size(
        given.endpoints or plain.endpoints, given.heartbeats or plain.heartbeats, plain.quiet,
        plain.every, plain.pinged, plain.sleep, plain.watched,
    )  # fmt: skip
    print(f"{platform.machine()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        if given.only != "cost":
            print(
                f"\n{size.endpoints} endpoints every {size.every:g} s, {size.heartbeats} heartbeats, 4 nodes"
            )
            print("\n| promise | seen | kept |\n|---|---|---|")
            for each in faults(Path(folder), size):
                print(f"| {each.name} | {each.seen} | {'yes' if each.kept else 'NO'} |", flush=True)
                kept = kept and each.kept
        if given.only != "faults":
            print("\n| nodes | polls/s | pings/s | CPU of all nodes | CPU s per 1,000 | commits/s |")
            print("|---|---|---|---|---|---|")
            for row in cost(Path(folder), size):
                print(f"| {' | '.join(row)} |", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
