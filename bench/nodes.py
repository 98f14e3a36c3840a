"""Do several nodes on one PostgreSQL keep their word when they die and sleep, and what do they cost?

`python -m bench.nodes [--quick] [--only cost|faults] [--endpoints N] [--heartbeats N] [--write]`.

*Faults*: four nodes; one is killed and comes back, one sleeps (SIGSTOP) and wakes, one is cut from the
database by a relay, one more is killed; meanwhile heartbeats are missed, one after another. Every promise is
a row; one that is broken makes the exit code 1. *Cost*: the same work with 1, 2 and 4 nodes, pings alone and
polls alone: the CPU time and the statements of each, and the transactions that the database commits, beside
what the model in `docs/architecture.md` says; and what nodes cost that have nothing to do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench._alerting.report import report
from bench._nodes import cost
from bench._nodes.faults import HEAD, Size, faults

FULL = Size(2_000, 20_000, 100, every=10.0, pinged=120.0, sleep=60.0)
QUICK = Size(100, 200, 12, every=2.0, pinged=5.0, sleep=15.0)
COST, QUICK_COST = cost.Size(), cost.Size(100, 150, watched=5.0)


def _faults(size: Size, *, write: bool) -> bool:
    title = f"Nodes that die, sleep and are cut off: {size.endpoints:,} endpoints every {size.every:g} s, "
    title += f"{size.heartbeats:,} heartbeats, 4 nodes, SIGSTOP for {size.sleep:g} s"
    with tempfile.TemporaryDirectory() as folder:
        found = faults(Path(folder), size)
    table = [(each.name, each.seen, "yes" if each.kept else "**no**") for each in found]
    report("nodes", title, HEAD, table, write=write, command="nodes --only faults")
    return all(each.kept for each in found)


def _cost(size: cost.Size, *, write: bool) -> None:
    title = f"What nodes cost: {size.endpoints} endpoints every {size.every:g} s, "
    title += f"{size.heartbeats} heartbeats every {size.pinged:g} s, fsync on"
    with tempfile.TemporaryDirectory() as folder:
        found = cost.rows(Path(folder), size)
        report("nodes-cost", title, cost.HEAD, found, write=write, command="nodes --only cost")


def main() -> int:
    """Measure, print, and return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small form, about three minutes")
    parser.add_argument("--only", choices=("cost", "faults"))
    parser.add_argument("--endpoints", type=int)
    parser.add_argument("--heartbeats", type=int)
    parser.add_argument("--write", action="store_true", help="keep the tables among the results")
    given = parser.parse_args()
    plain = QUICK if given.quick else FULL
    size = Size(
        given.endpoints or plain.endpoints, given.heartbeats or plain.heartbeats, plain.quiet,
        plain.every, plain.pinged, plain.sleep,
    )  # fmt: skip
    kept = given.only == "cost" or _faults(size, write=given.write)
    if given.only != "faults":
        _cost(QUICK_COST if given.quick else COST, write=given.write)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
