"""What does the app side cost where it runs: a check, a ping handed over, and the imports?

`python -m bench.app_side [--quick] [--write]`. The engine's own cost is that of a check that does nothing,
run for each report or still fresh, less the call itself; a heartbeat's is what the job waits for, its sender
in the background; imports are CPU seconds beyond a bare interpreter's, from byte code, the least of some.
What a fresh report costs beside a framework's static route is in `bench.endpoint`. Exits with 1 when a goal
is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import _page

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Row:
    """One cost and its goal, in seconds of CPU."""

    what: str
    cost: float
    goal: float

    def cells(self) -> tuple[str, str, str]:
        """Return its row of the table."""
        scale, unit = (1e6, "us") if self.goal < 1e-3 else (1e3, "ms")
        missed = " (missed)" if self.cost > self.goal else ""
        return self.what, f"{self.cost * scale:.1f} {unit}{missed}", f"{self.goal * scale:.0f} {unit}"


def each(action: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    """Return the seconds of one call by a clock, the least of seven rounds."""
    rounds = []
    for _ in range(7):
        begun = clock()
        for _ in range(count):
            action()
        rounds.append((clock() - begun) / count)
    return min(rounds)


def _nothing() -> None:
    """Do a check's work, or a job's."""


async def _nothing_async() -> None:
    """Do an async check's work."""


def engine(count: int) -> list[Row]:
    """Measure what the engine adds to a check that does nothing: when it runs, and when it is still fresh."""
    forms: tuple[tuple[str, Callable[[], object], float, int], ...] = (
        ("a sync check that runs", _nothing, 0.0, 20),
        ("an async check that runs", _nothing_async, 0.0, 20),
        ("a sync check that runs", _nothing, 0.0, 1),
        ("an async check that runs", _nothing_async, 0.0, 1),
        ("a check that is still fresh", _nothing, 3600.0, 20),
    )
    return [
        Row(
            f"the engine, {what}, {'alone' if checks == 1 else f'one of {checks} in a report'}",
            _engine(check, fresh_for, checks, count),
            50e-6,
        )
        for what, check, fresh_for, checks in forms
    ]


def _engine(check: Callable[[], object], fresh_for: float, checks: int, count: int) -> float:
    """Return the CPU seconds of a report by check, less the call itself."""
    from healthkit import Health

    health = Health("bench")
    for number in range(checks):
        health.add(check, name=f"check-{number}", timeout=5, fresh_for=fresh_for)
    health.report()
    empty = each(_nothing, count, time.process_time)
    return each(health.report, max(20, count // checks), time.process_time) / checks - empty


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


def importing(line: str, runs: int) -> float:
    """Return the CPU seconds of an import in a fresh interpreter, the least of some runs."""
    script = f"import time; t = time.process_time(); {line}; print(time.process_time() - t)"
    command = [sys.executable, "-c", script]
    return min(float(subprocess.check_output(command, cwd=ROOT)) for _ in range(runs + 1))


def imports(runs: int) -> list[Row]:
    """Measure what a user's process pays before its first line."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder  # byte code, as pip leaves it
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        rows = [
            Row(f"`{line}`", importing(line, runs), 0.030)
            for line in (
                "import healthkit",
                "from healthkit import Health",
                "from healthkit import Heartbeat",
            )
        ]
        for name in ("ping", "exec"):
            cost = importing(f"import healthkit.cli, healthkit.commands.{name}", runs)
            rows.append(Row(f"import of the command line's `{name}`", cost, 0.060))
    return rows


def main(argv: list[str] | None = None) -> int:
    """Measure and print; return 1 when a goal is missed."""
    chosen = _page.arguments("app_side", __doc__).parse_args(argv)
    count, runs = (400, 3) if chosen.quick else (2_000, 15)
    rows = [*engine(count), *heartbeats(count), *imports(runs)]
    lines = [
        *_page.title("app_side", "The app side", quick=chosen.quick),
        f"{_page.machine()}. CPU time: of the calling thread for heartbeats, else of the process.",
        "",
        *_page.table(("what", "cost", "goal"), [row.cells() for row in rows]),
    ]
    _page.publish("app_side", lines, write=chosen.write)
    return int(any(row.cost > row.goal for row in rows))


if __name__ == "__main__":
    sys.exit(main())
