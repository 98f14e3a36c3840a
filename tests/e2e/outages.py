"""Two checkers at work while their database is not: what holds of them in every outage.

A ping is answered, with 503 while nothing can be written; what was answered 200 is in the store; nobody is
alerted of our own outage; and afterwards pings, polls and alerts go on by themselves.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from examples.servers import free_port
from tests.e2e.alerts import Alerts
from tests.e2e.cluster import Node, Pinger, Targets, members, miscounted, monitors, running, stored
from tests.waiting import wait_for

ENDPOINTS, HEARTBEATS = 12, 6  # a heartbeat for each of the threads that ping
HOUR = 3_600.0


@dataclass
class Site:
    """Two checkers at work on one database, who pings them, what they poll and whom they tell."""

    nodes: list[Node]
    pinger: Pinger
    targets: Targets
    alerts: Alerts

    def works(self) -> None:
        """Wait until each node answers pings with 200, every endpoint is polled, and pings are stored."""
        for each in self.nodes:
            _wait_for_answer(each, 200)
        began, before = time.monotonic(), len(self.pinger.answered)
        wait_for(lambda: len(self.targets.since(began)) == ENDPOINTS, 60, "every endpoint polled")
        wait_for(lambda: len(self.pinger.answered) > before + HEARTBEATS, 60, "pings")

    def is_refusing(self) -> None:
        """Wait until each node answers a ping with 503, which it does within its time."""
        for each in self.nodes:
            _wait_for_answer(each, 503)

    def still_tells(self) -> None:
        """Make sure that nobody was told of anything yet, and that what happens now is told."""
        assert self.alerts.messages() == [], "an alert about our own outage"
        assert requests.get(self.nodes[0].ping_url("told") + "/fail", timeout=30).status_code == 200
        self.alerts.expect("opened", "told", 60)

    def lost_nothing(self, url: str) -> None:
        """Compare what was answered with what is in the store; the pinger has ended."""
        rids = stored(url)
        assert self.pinger.answered <= rids, "a ping that was answered 200 is not in the store"
        assert rids <= self.pinger.sent
        assert miscounted(url) == []
        for each in self.nodes:
            assert "Traceback" not in each.output, each.output


def _wait_for_answer(node: Node, status: int) -> None:
    """Wait for a ping's answer of that status; some answer must come: nothing hangs for half a minute."""

    def answer() -> bool:
        return requests.get(node.ping_url("asked"), timeout=30).status_code == status

    wait_for(answer, 60, f"a ping answered {status}")


@contextlib.contextmanager
def site(folder: Path, url: str, *, period: float = HOUR) -> Iterator[Site]:
    """Two checkers at work on a database; heartbeats are due every `period` seconds."""
    with Targets() as targets, Alerts() as alerts:
        text = monitors(targets.url, ENDPOINTS, HEARTBEATS, 0, every=2.0, period=period, first=0.0)
        text += '\n[[heartbeat]]\nname = "told"\nevery = "1h"\n[[heartbeat]]\nname = "asked"\nevery = "1h"\n'
        nodes = []
        for number in range(2):
            (folder / f"node-{number}").mkdir()
            nodes.append(Node(folder / f"node-{number}", url, alerts.url, text, free_port()))
        slugs = [f"h{number}" for number in range(HEARTBEATS)]
        with running(nodes), Pinger([each.port for each in nodes], slugs, every=1.0) as pinger:
            found = Site(nodes, pinger, targets, alerts)
            wait_for(lambda: members(url) == 2, 60, "two nodes")
            found.works()
            yield found
