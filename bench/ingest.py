"""How many pings a second does the checker take, durably, beside a bare group commit in the same run?

`python -m bench.ingest [--quick] [--write] [--store sqlite|postgresql]`. 128 callers in a process of their
own, one ping in flight each: over kept connections, with a connection for each ping, with bodies of 1,000
bytes, as pairs of start and success, and as a flood of 3,000 callers, more than there is room for. The
checker runs with all it has (state, history, deadline, body), the bare prototype with nothing but the commit;
both on the same HTTP server, in turns. Exits with 1 when a ping that was answered 200 is not in the store.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench._ingest.subject import Result, Subject, running
from bench._page import keep
from examples.servers import PostgresServer

CLIENTS, FLOOD, MONITORS = 128, 3_000, 1_000
# Healthchecks, measured once beside an earlier prototype of this checker on a machine of this size: the
# better of two runs. uwsgi with one process on SQLite, with four on PostgreSQL.
HEALTHCHECKS = {"SQLite": 210, "PostgreSQL": 430}
GOALS = {"times": 25.0, "ratio": 0.6, "p99": 0.050, "cpu": 0.25}


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of load on one store; `ratio` is the rate beside that of the bare prototype."""

    store: str
    load: str
    result: Result
    ratio: float | None
    bare: Result | None


LOADS = (  # name, kind of request, a connection each, whether the bare prototype runs beside it
    ("kept connections", "pings", False, True),
    ("a connection a ping", "pings", True, True),
    ("bodies of 1,000 bytes", "bodies", False, True),
    ("start and success", "pairs", False, False),
)


@dataclass(slots=True)
class Measured:
    """What was seen on one store: the rows, and pings promised beside pings kept, by who promised them."""

    store: str
    seconds: float
    rounds: int
    rows: list[Row] = field(default_factory=list)
    promised: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def run(self, server: PostgresServer | None, folder: Path) -> None:
        """Measure every load, the prototype in turns with the checker, and count in the end what was kept."""
        with ExitStack() as stack:
            checker = stack.enter_context(running("checker", folder / "checker", server, MONITORS))
            bare = stack.enter_context(running("bare", folder / "bare", server, MONITORS))
            for each in (bare, checker):
                self._ask(each, "pings", 1.0)  # warm
            for name, kind, fresh, beside in LOADS:
                pairs = [
                    self._pair(checker, bare if beside else None, kind, fresh) for _ in range(self.rounds)
                ]
                self.rows.append(middle(self.store, name, pairs))
            flood = self._ask(checker, "pings", self.seconds, clients=FLOOD)
            self.rows.append(Row(self.store, f"a flood of {FLOOD:,} callers", flood, None, None))
            for each in (checker, bare):
                self.kept[each.name] = each.kept()

    def lost(self) -> int:
        """How many pings were promised and are not in the store."""
        return sum(max(0, count - self.kept[name]) for name, count in self.promised.items())

    def _pair(
        self, checker: Subject, bare: Subject | None, kind: str, fresh: bool
    ) -> tuple[Result, Result | None]:
        below = self._ask(bare, kind, self.seconds, fresh=fresh) if bare else None
        return self._ask(checker, kind, self.seconds, fresh=fresh), below

    def _ask(
        self, subject: Subject, kind: str, seconds: float, *, fresh: bool = False, clients: int = CLIENTS
    ) -> Result:
        found = subject.load(kind, clients, seconds, fresh=fresh, monitors=MONITORS)
        self.promised[subject.name] = self.promised.get(subject.name, 0) + found.ok
        return found


def middle(store: str, name: str, pairs: list[tuple[Result, Result | None]]) -> Row:
    """Return the row of the pair whose ratio (or rate) is the median."""
    ratios = [(ours.rate / bare.rate if bare and bare.ok else ours.rate, ours, bare) for ours, bare in pairs]
    ratio, ours, bare = sorted(ratios, key=lambda each: each[0])[(len(ratios) - 1) // 2]
    return Row(store, name, ours, ratio if bare else None, bare)


def told(row: Row) -> str:
    """Return a row of the table; what misses its goal is said there."""
    ours, flood = row.result, row.load.startswith("a flood")
    times = ours.rate / HEALTHCHECKS[row.store]
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}{missed(row.ratio < GOALS['ratio'])}"
    cells = [
        row.store,
        row.load,
        f"{ours.rate:,.0f}",
        f"{times:.0f}{missed(times < GOALS['times'] and not flood)}",
        ratio,
        f"{row.bare.cpu_each / ours.cpu_each:.2f}" if row.bare and ours.cpu_each else "",
        f"{ours.p50 * 1e3:.0f} / {ours.p99 * 1e3:.0f}{missed(ours.p99 > GOALS['p99'] and not flood)}",
        f"{ours.cpu_each:.3f}{missed(ours.cpu_each > GOALS['cpu'] and not flood)}",
        f"{row.bare.cpu_each:.3f}" if row.bare else "",
        f"{ours.database_cpu / max(1, ours.ok) * 1000:.3f}" if row.store == "PostgreSQL" else "",
        f"{ours.callers_cpu / max(1, ours.ok) * 1000:.3f}",
        f"{ours.memory / 1e6:.0f}",
        f"{ours.refused:,} / {ours.other:,}",
    ]
    return f"| {' | '.join(cells)} |"


def missed(is_missed: bool) -> str:
    """Return the word for a goal that was not reached."""
    return " (missed)" if is_missed else ""


COLUMNS = (
    "store", "load", "pings/s", "times Healthchecks", "of the bare commit", "the same by CPU", "p50 / p99 ms",
    "CPU s per 1,000", "the bare one's", "PostgreSQL's", "the callers'", "memory MB", "503 / other",
)  # fmt: skip


def page(found: list[Measured]) -> str:
    """Return the results as Markdown."""
    lines = [
        f"# Pings taken durably, {datetime.now(UTC):%Y-%m-%d}",
        "",
        "`python -m bench.ingest`",
        "",
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"uvicorn {version('uvicorn')}, httptools {version('httptools')}, load {os.getloadavg()[0]:.1f}; "
        f"the checker, its callers{' and PostgreSQL' if len(found) > 1 else ''} on the same cores. "
        f"{CLIENTS} callers with one ping in flight each, {MONITORS:,} monitors, "
        f"{found[0].seconds:g} s a row, the median of {found[0].rounds} in turns with the bare prototype.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
        *(told(row) for each in found for row in each.rows),
        "",
        "Goals: 25 times what Healthchecks reached (SQLite 210, PostgreSQL with four processes 430 pings/s,",
        "measured once on a machine of this size, not here), 0.60 of the bare commit, p99 under 50 ms,",
        "0.25 CPU s per 1,000. A flood is to be refused with 503 and Retry-After where it does not fit, and",
        "to lose nothing.",
        "Where other work shares the cores, the rates mean little; the CPU seconds are blurred less.",
        "",
        *(
            f"- {each.store}, {name}: {count:,} answered 200, {each.kept[name]:,} in the store."
            for each in found
            for name, count in each.promised.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return 1 when a ping that was answered 200 is not in the store."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    parser.add_argument("--write", action="store_true", help="write bench/results/ingest-<date>.md too")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), help="this one alone")
    chosen = parser.parse_args(arguments)
    seconds, rounds = (1.0, 1) if chosen.quick else (3.0, 3)
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if chosen.store != "postgresql":
            found.append(Measured("SQLite", seconds, rounds))
            (Path(folder) / "sqlite").mkdir()
            found[-1].run(None, Path(folder) / "sqlite")
        if chosen.store != "sqlite":
            found.append(Measured("PostgreSQL", seconds, rounds))
            (Path(folder) / "postgresql").mkdir()
            with PostgresServer() as server:
                found[-1].run(server, Path(folder) / "postgresql")
    text = page(found)
    print(text)
    if chosen.write:
        keep("ingest", text)
    lost = sum(each.lost() for each in found)
    if lost:
        print(f"{lost} pings were answered 200 and are not in the store", file=sys.stderr)
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
