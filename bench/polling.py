"""What does a poll cost, and does anything delay the others? The checker's whole loop beside its peers.

`python -m bench.polling [--quick] [--write]`. The target is a process of its own, and so is each poller: only
the poller's CPU is counted. Rows: the bare prototype; 1,000 endpoints each second, on 1,000 hosts, each
document with five components and another one each time; the same with documents that do not change; and 200
endpoints, with and without 10 among them that never answer. blackbox_exporter is measured where it is
installed (Debian: `prometheus-blackbox-exporter`), or where `BLACKBOX_EXPORTER` names the program.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

from bench._page import keep_headed
from bench._polling import blackbox
from bench._polling.plan import Measured, Plan, files

GOAL = 0.30  # CPU seconds a thousand polls
DRIFT = 0.050  # seconds, p99
MEMORY = 150.0  # megabytes
HEAD = (
    "| poller | polls of those planned | rows kept | CPU s per 1,000 | of it writing | times bare "
    "| drift p50 / p99 ms | MB |"
)


@contextlib.contextmanager
def target() -> Iterator[int]:
    """Start the target as a process; yield its port."""
    command = [sys.executable, "-m", "bench._polling.target"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


def measured(poller: str, plan: Plan) -> Measured:
    """Run one poller in a process of its own."""
    command = [sys.executable, "-m", f"bench._polling.{poller}", json.dumps(asdict(plan))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(**json.loads(done.stdout))


def row(name: str, found: Measured, base: Measured) -> str:
    """Return a row of the table; `base` is what ratios are told against."""
    ratio = found.per_thousand / base.per_thousand
    writer = f"{found.writer_per_thousand:.3f}" if found.writer else ""
    return (
        f"| {name} | {found.polls:,} of {found.expected:,.0f} | {found.rows:,} | {found.per_thousand:.3f} "
        f"| {writer} | {ratio:.2f} | {found.drift_p50 * 1000:.1f} / {found.drift_p99 * 1000:.1f} "
        f"| {found.peak_mb:.0f} |"
    )


def verdicts(ours: Measured, plain: Measured, hanging: Measured) -> list[str]:
    """Tell each goal, and whether it was met."""
    kept = hanging.polls / hanging.expected / (plain.polls / plain.expected)
    goals = [
        (f"at most {GOAL:.2f} CPU s per 1,000 polls", ours.per_thousand, ours.per_thousand <= GOAL, "{:.3f}"),
        (
            f"drift p99 under {DRIFT * 1000:.0f} ms",
            ours.drift_p99 * 1000,
            ours.drift_p99 < DRIFT,
            "{:.1f} ms",
        ),
        (f"under {MEMORY:.0f} MB", ours.peak_mb, ours.peak_mb < MEMORY, "{:.0f} MB"),
        ("10 of 200 hang: the others' polls, of what they are without", kept, kept > 0.99, "{:.1%}"),
    ]
    return [
        f"- {'met' if met else 'MISSED'}: {goal}: {shown.format(value)}" for goal, value, met, shown in goals
    ]


def facts(plan: Plan) -> str:
    """Return what a reader needs to judge the numbers."""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, load "
        f"{os.getloadavg()[0]:.1f} before. {plan.seconds:.0f} s a row after a warm-up, the target on this "
        "machine, too; SQLite with synchronous=FULL. CPU is that of the poller's process alone."
    )


def report(port: int, *, is_quick: bool) -> Iterator[str]:
    """Yield the lines of the result, each when it is known."""
    thousand = Plan(port, 1_000, 4.0 if is_quick else 15.0)
    few = replace(thousand, endpoints=200, seconds=4.0 if is_quick else 12.0)
    other = blackbox.found()
    yield from (facts(thousand), "", HEAD, "|---|---|---|---|---|---|---|---|")
    bare = measured("bare", thousand)
    yield row("bare prototype: nothing judged", bare, bare)
    ours = measured("ours", replace(thousand, seconds=4.0 if is_quick else 60.0))
    yield row("the checker, documents change", ours, bare)
    if not is_quick:
        same = measured("ours", replace(thousand, path="same"))
        yield row("the checker, documents with an ETag do not", same, bare)
    if other is not None:
        yield row("blackbox_exporter, nothing stored", blackbox.measure(other, thousand), bare)
    plain = measured("ours", few)
    yield row("the checker, 200 endpoints", plain, bare)
    hanging = measured("ours", replace(few, hanging=10))
    yield row("the checker, 200 endpoints, 10 of them hang", hanging, bare)
    yield from ("", *verdicts(ours, plain, hanging))
    if other is None:
        yield from ("", f"blackbox_exporter was NOT measured: {blackbox.HOW}.")


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison and print the table as it grows."""
    parser = argparse.ArgumentParser(prog="python -m bench.polling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds a row, and fewer rows")
    parser.add_argument("--write", action="store_true", help="write bench/results/polling-<date>.md too")
    given = parser.parse_args(arguments)
    files()
    lines = []
    with target() as port:
        for line in report(port, is_quick=given.quick):
            print(line, flush=True)
            lines.append(line)
    if given.write:
        flag = " --quick" if given.quick else ""
        words = "Polling beside a bare prototype and blackbox_exporter"
        keep_headed("polling", words, f"polling{flag}", "\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
