"""Four nodes of which two are killed, one sleeps and one is cut off: every promise is a row."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench._nodes.cluster import Cluster, Work
from tests.e2e.cluster import Node, Pinger, members, miscounted, stored
from tests.relay import Relay
from tests.waiting import wait_for

HEAD = ("promise", "seen", "kept")
LEASE = 15.0  # seconds within which a lost node's endpoints are polled again


@dataclass(frozen=True, slots=True)
class Size:
    """How much work there is; `sleep` seconds that a node is stopped."""

    endpoints: int
    heartbeats: int
    quiet: int
    every: float
    pinged: float
    sleep: float


@dataclass(frozen=True, slots=True)
class Promise:
    """A row: what was promised, what was seen, and whether it held."""

    name: str
    seen: str
    kept: bool


def faults(folder: Path, size: Size) -> list[Promise]:
    """Let nodes die, sleep and be cut off; return what became of the promises."""
    step = (2.0 * size.sleep + 20.0) / max(1, size.quiet)
    work = Work(size.endpoints, size.heartbeats, size.every, size.pinged, size.quiet, first=20.0, step=step)
    cluster = Cluster(folder / "faults", work, 4)
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
    work, rids = cluster.work, stored(cluster.url)
    names = Counter(name for name, _ in set(told))
    lost = set(cluster.quiet) - names.keys()
    false = names.keys() - set(cluster.quiet)
    doubled = [name for name, count in names.items() if count > 1]
    repeats = len(told) - len(set(told))
    missing, strange = pinger.answered - rids, rids - pinger.sent
    wrong, rate = miscounted(cluster.url), work.endpoints / work.every
    bound = work.every + LEASE
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
