"""Three nodes on one PostgreSQL: one is killed, one sleeps and wakes, and nobody notices but the log.

The machines' clocks are an hour apart, both ways: nodes go by the database's. Meanwhile a newer version of
the checker migrates the database under them: every table that is read and written gets a column, and one of
the nodes, which are of the older version then, starts anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import Connection, inspect, text

from examples.servers import free_port
from tests.e2e.alerts import Alerts
from tests.e2e.cluster import (
    Node,
    Pinger,
    Targets,
    members,
    miscounted,
    monitors,
    reading,
    running,
    stored,
)
from tests.e2e.harness import PING_KEY
from tests.waiting import wait_for

ENDPOINTS, HEARTBEATS = 40, 60
QUIET = 3  # heartbeats that never come
AHEAD = (0.0, 3_600.0, -3_600.0)  # seconds by which each machine's clock is ahead


@pytest.fixture
def nodes(tmp_path: Path, postgres_url: str, targets: Targets, alerts: Alerts) -> Iterator[list[Node]]:
    watched = monitors(targets.url, ENDPOINTS, HEARTBEATS, QUIET, every=2.0, period=30.0, first=15.0)
    found = []
    for number, ahead in enumerate(AHEAD):
        folder = tmp_path / f"node-{number}"
        folder.mkdir()
        found.append(Node(folder, postgres_url, alerts.url, watched, free_port(), ahead))
    with running(found):
        yield found


@pytest.fixture
def targets() -> Iterator[Targets]:
    with Targets() as found:
        yield found


@pytest.fixture
def alerts() -> Iterator[Alerts]:
    with Alerts() as found:
        yield found


def made_at_one_known_at_all(nodes: list[Node]) -> None:
    """A heartbeat that a ping makes at one node takes the next ping at any other."""

    def ping(node: Node, slug: str, query: str = "") -> int:
        return requests.get(f"{node.url}/ping/{PING_KEY}/{slug}{query}", timeout=10).status_code

    for number in range(5):
        assert ping(nodes[0], f"new-{number}", "?create=1") == 201
        assert ping(nodes[1], f"new-{number}") == 200
        assert ping(nodes[2], f"new-{number}/log") == 200
        assert ping(nodes[1], f"new-{number}", "?create=1") == 200
    assert ping(nodes[1], "never-made") == 404
    shown = requests.get(f"{nodes[2].url}/api/monitors", timeout=10).json()
    assert {"new-0", "new-4"} <= {each["name"] for each in shown["monitors"]}


def migrate(url: str) -> None:
    """Do as a newer version's migration would: in one transaction, which waits for whoever is at work."""

    def grow(conn: Connection) -> None:
        for table in sorted(inspect(conn).get_table_names()):
            if table != "alembic_version":
                conn.execute(text(f"ALTER TABLE {table} ADD COLUMN newer VARCHAR(20)"))
                conn.execute(text(f"CREATE INDEX ix_{table}_newer ON {table} (newer)"))
        conn.execute(text("CREATE TABLE newer (id INTEGER PRIMARY KEY)"))
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with reading(url) as store:
        asyncio.run(store.settle(grow))


@pytest.mark.timeout(300)
def test_nodes_that_die_and_sleep_cost_no_ping_no_poll_and_no_alert(
    nodes: list[Node], targets: Targets, alerts: Alerts, postgres_url: str
) -> None:
    dying, sleeping, staying = nodes
    slugs = [f"h{number}" for number in range(HEARTBEATS)]
    quiet = [f"q{number}" for number in range(QUIET)]  # missed while two of three nodes are away
    with Pinger([each.port for each in nodes], slugs, every=3.0) as pinger:
        wait_for(lambda: members(postgres_url) == 3, 30, "three nodes")
        wait_for(lambda: len(targets.polled) == ENDPOINTS, 30, "a first look at every endpoint")
        wait_for(lambda: len(pinger.answered) > 2 * HEARTBEATS, 30, "pings at all nodes")
        made_at_one_known_at_all(nodes)
        dying.kill()
        sleeping.freeze()
        began = time.monotonic()
        wait_for(lambda: len(targets.since(began + 1.0)) == ENDPOINTS, 60, "every endpoint polled again")
        for slug in quiet:
            alerts.expect("opened", slug, 60)
        migrate(postgres_url)
        sleeping.thaw()
        dying.launch().ready()
        wait_for(lambda: members(postgres_url) == 3, 30, "three nodes again")
        back = len(pinger.answered)
        wait_for(lambda: len(pinger.answered) > back + HEARTBEATS, 60, "pings after that")

    assert pinger.answered <= stored(postgres_url), "a ping that was answered 200 is not in the store"
    assert stored(postgres_url) <= pinger.sent
    assert miscounted(postgres_url) == []
    told = [m for m in alerts.messages() if m["event"] == "opened"]
    names = sorted(each["name"] for m in told for each in m["incident"]["monitors"])
    assert sorted(set(names)) == quiet, "an alert for what was well"
    keys = {m["incident"]["dedup_key"] for m in told}
    assert len(keys) == QUIET, "an alert under two keys"
    assert "a newer version of the checker made its schema '9999'" in dying.output
    for each in (dying, sleeping, staying):
        assert "Traceback" not in each.output
