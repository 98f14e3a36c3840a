"""kill -9 at any point loses nothing: what was answered is in the store, and what is owed is told."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, select

from checker.assembler import Assembler
from checker.store import Store
from checker.store.tables import change, incident, outbox, ping, state
from tests.checker.house import House, failure, heartbeat
from tests.checker.programs import teller
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program beside this test, and kill it (SIGKILL) at the end."""
    command = [sys.executable, "-m", teller.__name__, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def fall(store: Store) -> House:
    """One monitor has fallen, and its change is committed; nobody has judged it."""
    house = House(store, heartbeat("a"))
    house.now = time.time()
    asyncio.run(house.ping("a", failure(house.now)))
    return house


def test_killed_between_the_change_and_its_judgement_the_alert_arrives_after_the_restart(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    fall(store)  # the process that recorded it is gone here
    told = tmp_path / "told"
    with program(store_url, str(told)):
        wait_for(lambda: lines(told), timeout=30, what="the alert")
    assert [line.split()[:2] for line in lines(told)] == [["opened", "a"]]


def test_killed_between_judgement_and_send_the_alert_arrives_after_the_restart(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    house = fall(store)
    house.channels = {"file": house.channels["ops"]}
    assembler: Assembler = house.make_assembler("node")
    assert asyncio.run(assembler.once(house.now)).notifications == 1
    told = tmp_path / "told"
    with program(store_url, str(told)):
        wait_for(lambda: lines(told), timeout=30, what="the alert")
    assert len(house.rows(incident, "id")) == 1


def test_killed_while_sending_the_alert_arrives_promptly_after_the_restart_with_the_same_key(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    house = fall(store)
    told = tmp_path / "told"
    with program(store_url, str(told), "3600") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "sending\n"
    assert lines(told) == []
    begun = time.monotonic()
    with program(store_url, str(told)):
        wait_for(lambda: lines(told), timeout=30, what="the alert")
        wait_for(lambda: house.rows(outbox, "sent_at")[0][0], what="the mark")
    assert time.monotonic() - begun < 25  # the lease of the one who died would have held for 90 s
    ((key, number),) = house.rows(outbox, "dedup_key", "id")
    assert lines(told) == [f"opened a {key}:{number}"]


def test_every_ping_that_was_answered_is_in_the_store_after_kill_9(store: Store, store_url: str) -> None:
    House(store, *(heartbeat(f"m{number}") for number in range(8)))
    answered: dict[int, int] = {}
    with program(store_url, "-") as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            if not line.endswith("\n"):
                break  # it died in the middle of a word
            monitor_id, n = map(int, line.split())
            answered[monitor_id] = max(n, answered.get(monitor_id, 0))
            if count == 400:
                process.kill()  # and read on: what it had said before it died counts
    assert len(answered) == 8
    query = select(ping.c.monitor_id, func.count(), func.max(ping.c.n)).group_by(ping.c.monitor_id)
    found = {row[0]: (row[1], row[2]) for row in store.read_now(lambda conn: conn.execute(query).all())}
    for monitor_id, n in answered.items():
        count, last = found[monitor_id]
        assert count == last >= n  # none missing, none twice
        level, changes = store.read_now(functools.partial(story, monitor_id=monitor_id))
        assert changes[-1] == level  # the state and its change are one commit
        assert len(changes) == last  # each ping turned it


def story(conn: Connection, monitor_id: int) -> tuple[str, list[str]]:
    """A monitor's state, and the states that its changes led to."""
    level = conn.execute(select(state.c.state).where(state.c.monitor_id == monitor_id)).scalar_one()
    turns = select(change.c.new).where(change.c.monitor_id == monitor_id).order_by(change.c.id)
    return level, list(conn.execute(turns).scalars())
