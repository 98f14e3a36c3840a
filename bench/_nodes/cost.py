"""What a poll and a ping cost with 1, 2 and 4 nodes, and what nodes cost by themselves, beside the model.

The model is that of `docs/architecture.md`: statements and transactions by the number of nodes and the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench._nodes.cluster import LONG, Cluster, Work
from checker.tally import GATHER
from tests.e2e.cluster import Pinger

HEAD = (
    "nodes", "what", "a second", "CPU s of nodes, per 1,000", "CPU s of PostgreSQL, per 1,000",
    "statements each", "by the model", "transactions/s", "by the model",
)  # fmt: skip
IDLE = 7.0  # transactions a second of a node that has nothing to do
READ = 3  # statements of such a transaction, its beginning and its end being two
WRITTEN = 5  # statements of a transaction that writes polls or pings
SETTLE = 4.0  # seconds until what a change brings is over


@dataclass(frozen=True, slots=True)
class Size:
    """The work, one kind after the other; `watched` seconds each."""

    endpoints: int = 400
    heartbeats: int = 600
    every: float = 2.0
    pinged: float = 3.0
    watched: float = 15.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used in a second: CPU s of nodes and of the database, transactions, statements."""

    nodes: float
    database: float
    transactions: float
    statements: float


def rows(folder: Path, size: Size) -> Iterator[tuple[str, ...]]:
    """Give the rows for each number of nodes: idle, pings alone, polls alone."""
    for count in (1, 2, 4):
        cluster = Cluster(folder / f"cost-{count}", Work(0, size.heartbeats, size.every, size.pinged), count)
        with cluster.up():
            yield from _measure(cluster, count, size)


def _measure(cluster: Cluster, count: int, size: Size) -> Iterator[tuple[str, ...]]:
    least = IDLE * count
    idle, _ = _watch(cluster, size.watched, lambda: 0)
    yield _idle_row(count, idle)
    with cluster.pinger() as pinger:
        spent, rate = _watch(cluster, size.watched, partial(_pings, pinger))
    yield _row(count, "pings", spent, idle, rate, f"{WRITTEN} at most", f"{least:.0f} to {least + rate:.0f}")
    cluster.watch(Work(size.endpoints, size.heartbeats, size.every, LONG))
    cluster.wait_for_looks(size.endpoints)
    spent, rate = _watch(cluster, size.watched, partial(_polls, cluster))
    more = min(rate, count / GATHER)
    each = WRITTEN * more / max(rate, 1.0)
    yield _row(count, "polls", spent, idle, rate, f"{each:.2f}", f"{least + more:.0f} at most")


def _pings(pinger: Pinger) -> int:
    return len(pinger.answered)


def _polls(cluster: Cluster) -> int:
    return cluster.targets.count(0.0, time.monotonic())


def _watch(cluster: Cluster, seconds: float, done: Callable[[], int]) -> tuple[Spent, float]:
    """Return what was used in a second, and how much was done."""
    time.sleep(SETTLE)
    began, before, counted, had = time.monotonic(), cluster.cpu(), cluster.counts(), done()
    time.sleep(seconds)
    took, cpu, counts, has = time.monotonic() - began, cluster.cpu(), cluster.counts(), done()
    used = [(now - then) / took for then, now in zip((*before, *counted), (*cpu, *counts), strict=True)]
    return Spent(*used), (has - had) / took


def _idle_row(count: int, idle: Spent) -> tuple[str, ...]:
    return (
        str(count), "nothing", "-", f"{idle.nodes:.3f} a second", f"{idle.database:.3f} a second",
        f"{idle.statements:.0f} a second", f"{READ * IDLE * count:.0f} a second",
        f"{idle.transactions:.1f}", f"{IDLE * count:.0f}",
    )  # fmt: skip


def _row(
    count: int, what: str, spent: Spent, idle: Spent, rate: float, statements: str, transactions: str
) -> tuple[str, ...]:
    """Return a row: what is used beyond idling, for each thing that was done."""
    if not rate:
        return (str(count), what, "0", *["-"] * 6)
    return (
        str(count), what, f"{rate:.0f}", f"{(spent.nodes - idle.nodes) / rate * 1000:.2f}",
        f"{(spent.database - idle.database) / rate * 1000:.2f}",
        f"{(spent.statements - idle.statements) / rate:.2f}", statements,
        f"{spent.transactions:.1f}", transactions,
    )  # fmt: skip
