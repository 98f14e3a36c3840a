"""How soon is a missed heartbeat alerted among a million? A real checker process, on a store filled before.

`python -m bench.deadlines [--quick] [--monitors N] [--database URL]`. Rows: start, memory and idle CPU; the
time from a deadline to the alert at a local receiver, for misses spread over a minute; and 10,000 missed at
once, until they are recorded, and told. The misses of the first part are unrelated, so the limit of a storm
is out of the way; for the second it is the default. Deadlines are moved in the store while the checker runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench._alerting import fill
from bench._alerting.receiver import Receiver
from bench._alerting.running import Running, percentile, wait_until
from checker.rules.storms import LEAST
from checker.store import Store

APART = 100_000  # the greatest limit of a storm: everything is told apart
AHEAD = 4.0  # seconds from a moved deadline's writing until it passes: the checker looks each second
TOLD_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    monitors: int
    idle: float  # seconds
    stream: int  # misses
    span: float  # seconds that they are spread over
    burst: int  # misses at once


FULL = Size(1_000_000, 60.0, 300, 60.0, 10_000)
QUICK = Size(20_000, 5.0, 50, 10.0, 2_000)


def stream(store: Store, receiver: Receiver, size: Size) -> list[float]:
    """Return the seconds from each deadline to its alert; one that never came counts as infinite."""
    now = time.time()
    first = now + AHEAD
    due = {number: first + number * size.span / size.stream for number in range(1, size.stream + 1)}
    fill.move(store, list(due.items()), now)
    end = first + size.span + TOLD_WITHIN
    wait_until(lambda: len(receiver.opened("/ops")) >= size.stream, end - time.time())
    told = {
        fill.number_of(each.body["incident"]["monitors"][0]["name"]): each.at
        for each in receiver.opened("/ops")
    }
    return [told.get(number, float("inf")) - at for number, at in due.items()]


def burst(store: Store, receiver: Receiver, size: Size) -> tuple[float, float, int]:
    """Return the seconds until all are recorded, until the first message, and how many messages came."""
    receiver.messages.clear()
    numbers = range(size.stream + 1, size.stream + 1 + size.burst)
    now = time.time()
    due = now + AHEAD
    fill.move(store, [(number, due) for number in numbers], now)
    time.sleep(max(0.0, due - time.time()))
    recorded = wait_until(lambda: fill.down(store, numbers) == size.burst, TOLD_WITHIN)
    recorded_at = time.time() if recorded else float("inf")
    wait_until(lambda: bool(receiver.messages), TOLD_WITHIN)
    time.sleep(15.0)  # what may still be told of it
    first = min((each.at for each in receiver.messages), default=float("inf"))
    return recorded_at - due, first - due, len(receiver.messages)


def measure(size: Size, database: str, folder: Path) -> list[tuple[str, str, str]]:
    """Run it all; return rows: what, how much, and the goal."""
    store = Store(database, timeout=300)
    began = time.monotonic()
    fill.fill(store, size.monitors, time.time())
    filled = time.monotonic() - began
    try:
        with (
            Receiver() as receiver,
            Running(folder, database, {"ops": receiver.url("/ops")}, storm=APART) as checker,
        ):
            started, spent = checker.started, checker.cpu()
            time.sleep(5.0)
            memory, before = checker.memory(), checker.cpu()
            time.sleep(size.idle)
            idle = (checker.cpu() - before) * 60 / size.idle
            late = stream(store, receiver, size)
            checker.reload(LEAST)
            time.sleep(12.0)  # what was told just now no longer counts toward a storm
            recorded, told, messages = burst(store, receiver, size)
            after = checker.memory()
    finally:
        store.close()
    return [
        ("heartbeats", f"{size.monitors:,} (inserted in {filled:.0f} s)", ""),
        ("start until it listens", f"{started:.1f} s, {spent:.1f} CPU s", "seconds"),
        ("memory, idle / at the end", f"{memory:.0f} / {after:.0f} MB", ""),
        ("idle", f"{idle:.2f} CPU s a minute", "near zero"),
        (
            f"deadline to alert, {size.stream} over {size.span:.0f} s, p50 / p99 / most",
            f"{percentile(late, 0.5) * 1000:.0f} / {percentile(late, 0.99) * 1000:.0f} / "
            f"{max(late) * 1000:.0f} ms",
            "p99 under 1,000 ms",
        ),
        (f"{size.burst:,} missed at once: all recorded", f"{recorded:.2f} s", "2 s"),
        (f"{size.burst:,} missed at once: told", f"{told:.2f} s, in {messages} messages", "few messages"),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.deadlines", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 heartbeats, under a minute")
    parser.add_argument("--monitors", type=int, help="how many heartbeats instead")
    parser.add_argument("--database", help="an empty database instead of a SQLite file of its own")
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else FULL
    if given.monitors:
        size = Size(
            max(given.monitors, size.stream + size.burst), size.idle, size.stream, size.span, size.burst
        )
    with tempfile.TemporaryDirectory() as folder:
        database = given.database or f"sqlite:///{folder}/checker.db"
        rows = measure(size, database, Path(folder))
    kind = database.partition(":")[0]
    print(f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {kind}.\n")
    print("| what | measured | goal |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
