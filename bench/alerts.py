"""How long do a thousand separate alerts take, and does a slow receiver delay the others?

`python -m bench.alerts [--quick] [--write] [--database URL]`. A real checker process, webhooks to a local
receiver. The heartbeats miss at the same moment but are told apart: the limit of a storm is out of the way.
Then the same with a second channel whose receiver takes 1.5 s for each answer: the quick one must not notice.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench._alerting import fill
from bench._alerting.receiver import Receiver
from bench._alerting.report import report
from bench._alerting.running import Running, wait_until
from checker.store import Store

APART = 100_000  # the greatest limit of a storm
AHEAD = 3.0
SLOW = 1.5  # seconds
WITHIN = 60.0
HEAD = ("what", "the last one came after", "the slow receiver's last", "goal")


def measure(folder: Path, database: str, count: int, channels: dict[str, float]) -> dict[str, float]:
    """Return the seconds from the deadline until each channel got its last alert; infinite if one is lost."""
    store = Store(database, timeout=60)
    fill.fill(store, database, count, time.time())
    paths = {name: f"/{name}" for name in channels}
    with Receiver({paths[name]: delay for name, delay in channels.items()}) as receiver:
        urls = {name: receiver.url(path) for name, path in paths.items()}
        with Running(folder, database, urls, storm=APART):
            now = time.time()
            due = now + AHEAD
            fill.move(store, [(number, due) for number in range(1, count + 1)], now)
            wait_until(
                lambda: all(len(receiver.opened(path)) >= count for path in paths.values()), AHEAD + WITHIN
            )
        last = {name: _last(receiver, path, count) - due for name, path in paths.items()}
    store.close()
    return last


def _last(receiver: Receiver, path: str, count: int) -> float:
    found = {each.body["incident"]["dedup_key"]: each.at for each in receiver.opened(path)}
    return max(found.values()) if len(found) == count else float("inf")


def rows(count: int, databases: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """Measure it three times; give rows: what, the last alert, the slow receiver's last, and the goal."""
    few = count // 5
    plans: list[tuple[str, int, dict[str, float]]] = [
        (f"{count:,} separate alerts to one receiver", count, {"quick": 0.0}),
        (f"{few:,} alerts, alone", few, {"quick": 0.0}),
        (f"{few:,} alerts, beside a slow receiver", few, {"quick": 0.0, "slow": SLOW}),
    ]
    for number, (what, size, channels) in enumerate(plans):
        with tempfile.TemporaryDirectory() as folder:
            database = databases[number] if number < len(databases) else f"sqlite:///{folder}/checker.db"
            last = measure(Path(folder), database, size, channels)
        slow = f"{last['slow']:.2f} s" if "slow" in last else ""
        yield what, f"{last['quick']:.2f} s", slow, "3 s" if not number else "as alone" if slow else ""


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.alerts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 alerts instead of 1,000")
    parser.add_argument("--write", action="store_true", help="write bench/results/alerts-<date>.md too")
    parser.add_argument("--database", action="append", help="empty databases instead of SQLite files: three")
    given = parser.parse_args(arguments)
    found = rows(200 if given.quick else 1_000, given.database or [])
    report("alerts", "Alerts", HEAD, found, write=given.write)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
