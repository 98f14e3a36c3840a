"""How soon is a missed heartbeat alerted among a million? A real checker process, on a store filled before.

`python -m bench.deadlines [--quick] [--write] [--monitors N] [--database URL]`. Rows: start, memory and idle
CPU; the time from a deadline to the alert at a local receiver, for misses spread over a minute; 10,000 missed
at once, until they are recorded, judged and told; and a start after half a minute in which nobody saw. The
misses of the first part are unrelated, so the limit of a storm is out of the way; for the second it is the
default. Deadlines are moved in the store while the checker runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import urlopen

from bench._alerting import fill
from bench._alerting.receiver import Receiver
from bench._alerting.report import report
from bench._alerting.running import Running, percentile, wait_until
from checker.rules.storms import LEAST, WITHIN
from checker.store import Store

APART = 100_000  # the greatest limit of a storm: everything is told apart
AHEAD = 4.0  # seconds from a moved deadline's writing until it passes: the checker looks each second
TOLD_WITHIN = 60.0
REST = 10.0  # seconds after the last of a burst in which more may be told
HEAD = ("what", "measured", "goal")
Rows = Iterator[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    monitors: int
    idle: float  # seconds
    stream: int  # misses
    span: float  # seconds that they are spread over
    burst: int  # misses at once
    blind: float  # seconds in which the checker is down


FULL = Size(1_000_000, 60.0, 300, 60.0, 10_000, 30.0)
QUICK = Size(20_000, 5.0, 50, 10.0, 2_000, 12.0)


def idle(checker: Running, size: Size, empty: float) -> Rows:
    """Give what it takes to hold the heartbeats, and to do nothing; `empty`: megabytes without any."""
    time.sleep(5.0)
    memory, before = checker.memory(), checker.cpu()
    time.sleep(size.idle)
    spent = (checker.cpu() - before) * 60 / size.idle
    each = (memory - empty) * 1024**2 / size.monitors
    yield ("memory", f"{memory:.0f} MB, {each:.0f} bytes a heartbeat", "")
    yield ("idle", f"{spent:.2f} CPU s a minute", "near zero")


def stream(store: Store, receiver: Receiver, size: Size) -> Rows:
    """Give the time from each deadline to its alert; one that never came counts as infinite."""
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
    late = [told.get(number, float("inf")) - at for number, at in due.items()]
    found = (percentile(late, 0.5), percentile(late, 0.99), max(late))
    figures = " / ".join(f"{1000 * each:.0f}" for each in found)
    what = f"deadline to alert, {size.stream} over {size.span:.0f} s, p50 / p99 / most"
    yield (what, f"{figures} ms", "p99 under 1,000 ms")


def burst(store: Store, checker: Running, receiver: Receiver, size: Size) -> Rows:
    """Give the seconds until all are recorded, until the first message, and how many messages came."""
    receiver.messages.clear()
    numbers = range(size.stream + 1, size.stream + 1 + size.burst)
    now, before, all_down = time.time(), checker.cpu(), fill.down(store) + size.burst
    due = now + AHEAD
    fill.move(store, [(number, due) for number in numbers], now)
    time.sleep(max(0.0, due - time.time()))
    recorded = _after(due, wait_until(lambda: fill.down(store) == all_down, TOLD_WITHIN))
    judged = _after(due, wait_until(lambda: fill.is_judged(store), TOLD_WITHIN))
    wait_until(lambda: bool(receiver.messages), TOLD_WITHIN)
    spent = checker.cpu() - before
    time.sleep(REST)
    told = min((each.at for each in receiver.messages), default=float("inf")) - due
    what = f"{size.burst:,} missed at once"
    yield (f"{what}: all recorded", f"{recorded:.2f} s", "2 s")
    yield (f"{what}: all judged", f"{judged:.2f} s, {spent:.2f} CPU s in all", "")
    yield (f"{what}: first told", f"{told:.2f} s, in {len(receiver.messages)} messages", "few messages")
    yield ("memory at the end", f"{checker.memory():.0f} MB", "")


def _after(due: float, came: bool) -> float:
    return time.time() - due if came else float("inf")


def blind(store: Store, checker: Running, size: Size) -> Rows:
    """Give how soon a ping is answered, and a miss recorded, after a start with blind time behind it."""
    number = size.stream + size.burst + 1
    token = fill.token(store, number)
    time.sleep(size.blind)
    with checker:
        time.sleep(1.0)
        began = time.time()
        with urlopen(f"{checker.url}/ping/{token}", timeout=TOLD_WITHIN) as answer:
            answer.read()
        answered = time.time() - began
        due, one_more = time.time() + 2.0, fill.down(store) + 1
        fill.move(store, [(number, due)], began)
        missed = _after(due, wait_until(lambda: fill.down(store) == one_more, 3 * TOLD_WITHIN))
        spent = checker.cpu()
    what = f"a start after {size.blind:.0f} s in which nobody saw"
    yield (f"{what}: a ping answered", f"{1000 * answered:.0f} ms", "")
    yield (f"{what}: a new miss recorded", f"{missed:.2f} s, {spent:.1f} CPU s with the start", "1 s")


def measure(size: Size, database: str, folder: Path) -> Rows:
    """Run it all; give rows: what, how much, and the goal."""
    store = Store(database, timeout=300)
    try:
        yield from _measure(size, database, store, folder)
    finally:
        store.close()


def _measure(size: Size, database: str, store: Store, folder: Path) -> Rows:
    with Receiver() as receiver:
        channels = {"ops": receiver.url("/ops")}
        checker = Running(folder, database, channels, storm=APART)
        with checker:
            time.sleep(5.0)
            empty = checker.memory()
        began = time.monotonic()
        fill.fill(store, database, size.monitors, time.time())
        yield ("heartbeats", f"{size.monitors:,} (inserted in {time.monotonic() - began:.0f} s)", "")
        with checker:
            yield ("start until it listens", f"{checker.started:.1f} s, {checker.cpu():.1f} CPU s", "seconds")
            yield from idle(checker, size, empty)
            yield from stream(store, receiver, size)
            checker.reload(LEAST)
            time.sleep(WITHIN + 2.0)  # what was told just now no longer counts toward a storm
            yield from burst(store, checker, receiver, size)
        yield from blind(store, checker, size)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.deadlines", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 heartbeats, in a minute")
    parser.add_argument("--write", action="store_true", help="write bench/results/deadlines-<date>.md too")
    parser.add_argument("--monitors", type=int, help="how many heartbeats instead")
    parser.add_argument("--database", help="an empty database instead of a SQLite file of its own")
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else FULL
    if given.monitors:
        size = replace(size, monitors=max(given.monitors, size.stream + size.burst + 1))
    with tempfile.TemporaryDirectory() as folder:
        database = given.database or f"sqlite:///{folder}/checker.db"
        kind = database.partition(":")[0]
        rows = measure(size, database, Path(folder))
        report("deadlines", f"Deadlines ({kind})", HEAD, rows, write=given.write)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
