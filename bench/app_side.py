"""What does the app side cost where it runs: a check, a ping handed over, and the imports?

`python -m bench.app_side [--quick] [--write]`. The engine's own cost is that of a check that does nothing,
run for each report or still fresh, less the call itself; a heartbeat's is what the job waits for, its sender
in the background; imports are CPU seconds beyond a bare interpreter's, from byte code, the least of some.
What a fresh report costs beside a framework's static route is in `bench.endpoint`. Exits with 1 when a goal
is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Row:
    """One cost and its goal, in seconds of CPU."""

    what: str
    cost: float
    goal: float

    def __str__(self) -> str:
        scale, unit = (1e6, "us") if self.goal < 1e-3 else (1e3, "ms")
        missed = " (missed)" if self.cost > self.goal else ""
        return f"| {self.what} | {self.cost * scale:.1f} {unit}{missed} | {self.goal * scale:.0f} {unit} |"


def each(action: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    """Return the seconds of one call by a clock, the least of seven rounds."""
    rounds = []
    for _ in range(7):
        begun = clock()
        for _ in range(count):
            action()
        rounds.append((clock() - begun) / count)
    return min(rounds)


def engine(count: int, checks: int = 20) -> list[Row]:
    """Measure what the engine adds to a check that does nothing: when it runs, and when it is still fresh."""
    from healthkit import Health

    rows = []
    for what, fresh_for in (("a check, run", 0.0), ("a check, still fresh", 3600.0)):
        health = Health("bench")
        for number in range(checks):
            health.add(lambda: None, name=f"check-{number}", timeout=5, fresh_for=fresh_for)
        health.report()
        empty = each(lambda: None, count, time.process_time)
        cost = each(health.report, max(20, count // checks), time.process_time) / checks - empty
        rows.append(Row(f"the engine, {what} (of a report of {checks})", cost, 50e-6))
    return rows


def _nothing() -> None:
    """Do a job's work."""


def heartbeats(count: int) -> list[Row]:
    """Measure what a job waits for by a ping, and by a whole run: start, success and the work between."""
    from healthkit import transport
    from healthkit.heartbeat import Heartbeat
    from tests.recording import RecordingServer

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, RecordingServer() as server:
        os.environ["HEALTHKIT_STATE_DIR"] = folder
        heartbeat = Heartbeat(f"{server.url}/ping/key/job")
        job: Callable[[], None] = heartbeat.job(_nothing)
        rows = []
        for what, action in (("a ping", heartbeat.ping), ("a job: its start and its success", job)):
            costs = []
            for _ in range(count):
                begun = time.thread_time()
                action()
                costs.append(time.thread_time() - begun)
                if not len(costs) % 50:
                    transport.flush(10)
            rows.append(Row(f"heartbeats, {what}", statistics.median(costs), 50e-6))
        transport.leave()
    return rows


def importing(module: str, runs: int) -> float:
    """Return the CPU seconds of importing a module in a fresh interpreter, the least of some runs."""
    script = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
    command = [sys.executable, "-c", script]
    return min(float(subprocess.check_output(command, cwd=ROOT)) for _ in range(runs + 1))


def imports(runs: int) -> list[Row]:
    """Measure what a user's process pays before its first line."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder  # byte code, as pip leaves it
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        rows = [Row("import healthkit", importing("healthkit", runs), 0.030)]
        for name in ("ping", "exec"):
            cost = importing(f"healthkit.cli, healthkit.commands.{name}", runs)
            rows.append(Row(f"import of the command line's `{name}`", cost, 0.060))
    return rows


def page(rows: list[Row]) -> str:
    """Return the results as Markdown."""
    lines = [
        f"# The app side, {datetime.now(UTC):%Y-%m-%d}",
        "",
        "`python -m bench.app_side`",
        "",
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}. CPU time: of the calling thread for heartbeats, else of the "
        "process.",
        "",
        "| what | cost | goal |",
        "|---|---|---|",
        *map(str, rows),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.app_side", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs of each")
    parser.add_argument("--write", action="store_true", help="write bench/results/app_side-<date>.md too")
    chosen = parser.parse_args(arguments)
    count, runs = (400, 3) if chosen.quick else (2_000, 15)
    rows = [*engine(count), *heartbeats(count), *imports(runs)]
    text = page(rows)
    print(text)
    if chosen.write:
        (RESULTS / f"app_side-{datetime.now(UTC):%Y-%m-%d}.md").write_text(text)
    return int(any(row.cost > row.goal for row in rows))


if __name__ == "__main__":
    sys.exit(main())
