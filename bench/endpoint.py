"""What does `/health` cost, beside django-health-check, py-healthcheck and fastapi-health in one run?

`python -m bench.endpoint [--quick] [--write]`. Each library runs the same four checks (one committed database
write, three waits of 50 ms) behind a real server, with its own defaults: latency at 1 and 32 callers, how
often 200 callers at once touch the database, and what one hung check does. Then: a fresh report beside the
framework's own static JSON route. Exits with 1 when a fresh report costs more than 1.3 times that route.

The peers live in an environment of their own, made once in the temporary folder; BENCH_PEERS_PYTHON names an
interpreter that has them. Without either (no package index), they are left out, and that is said. Once they
are there, `--quick` takes less than a minute.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import _page
from bench._endpoint.served import Answer, Served

PEERS = ("Django==5.2.19", "django-health-check==4.8.0", "py-healthcheck==1.10.1", "fastapi-health==0.4.0")
BESIDES = ("flask", "fastapi", "uvicorn", "gunicorn")
LIMIT = 1.3
OURS = "bench._endpoint.ours"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    single: int
    each: int
    patience: float
    rounds: int


FULL = Size(single=100, each=20, patience=15.0, rounds=15)
QUICK = Size(single=10, each=2, patience=7.0, rounds=5)


@dataclass(frozen=True)
class Subject:
    """A library, and how it is served."""

    name: str
    app: str
    is_peer: bool = False
    fresh_for: str = "1"
    path: str = "/health"


SUBJECTS = (
    Subject("healthkit, Flask", f"{OURS}:flask_app"),
    Subject("healthkit, FastAPI", f"{OURS}:fastapi_app"),
    Subject("healthkit, FastAPI, fresh_for=0", f"{OURS}:fastapi_app", fresh_for="0"),
    Subject(
        "django-health-check 4.8.0",
        "bench._endpoint.peer_django:application",
        is_peer=True,
        path="/health?format=json",
    ),
    Subject(
        "py-healthcheck 1.10.1 (caches 27 s)", "bench._endpoint.peer_healthcheck:application", is_peer=True
    ),
    Subject("fastapi-health 0.4.0", "bench._endpoint.peer_fastapi_health:application", is_peer=True),
)


@dataclass(frozen=True)
class Ratio:
    """The median seconds of a fresh report and of a static route of the same app."""

    name: str
    fresh: float
    static: float

    @property
    def times(self) -> float:
        """How many times the static route a fresh report costs."""
        return self.fresh / self.static

    def cells(self) -> tuple[str, ...]:
        """Return its row of the table."""
        missed = f" (missed: {LIMIT})" if self.times > LIMIT else ""
        return self.name, f"{self.fresh * 1e6:.0f}", f"{self.static * 1e6:.0f}", f"{self.times:.2f}{missed}"


STATIC_ROUTES = (  # name, app, path
    ("Flask, jsonify", "flask_app", "/static-json"),
    ("FastAPI, a dict", "fastapi_app", "/static-json"),
    ("FastAPI, a JSONResponse", "fastapi_app", "/bare-json"),
)
COLUMNS = (
    "library", "1 caller, p50 / p99 ms", "32 callers, p50 / p99 ms", "database touches of 200 callers",
    "one check hangs: 12 callers", "the next caller", "another page", "works again after",
)  # fmt: skip


def peers_python() -> str | None:
    """Return an interpreter that has the peers, making its environment when there is none."""
    if given := os.environ.get("BENCH_PEERS_PYTHON"):
        return given
    folder = Path(tempfile.gettempdir()) / f"healthkit-bench-peers-{os.getuid()}"
    python, done = folder / "bin" / "python", folder / ".done"
    if not done.exists():
        print("installing the peers into an environment of their own ...", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *PEERS,
            *BESIDES,
        ]
        if subprocess.call(install):
            return None
        done.touch()
    return str(python)


def percentile(answers: list[Answer], part: float) -> float:
    """Return a percentile of the latencies, in seconds."""
    ordered = sorted(answer.took for answer in answers)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def latency(answers: list[Answer]) -> str:
    """Return p50 and p99 in milliseconds, and how many answers were no 200."""
    bad = sum(answer.status != 200 for answer in answers)
    trouble = f", {bad} of {len(answers)} no 200" if bad else ""
    return f"{percentile(answers, 0.5) * 1e3:.1f} / {percentile(answers, 0.99) * 1e3:.1f}{trouble}"


def touches(server: Served, path: str) -> str:
    """Return how often 200 callers at once touch the database."""
    time.sleep(1.1)  # what our own default keeps is stale by now
    before = server.touches.stat().st_size
    answers = server.get_many(path, 200, 1)
    bad = sum(answer.status != 200 for answer in answers)
    return f"{server.touches.stat().st_size - before}" + (f" ({bad} no 200)" if bad else "")


def measure(subject: Subject, python: str, folder: Path, size: Size) -> list[str]:
    """Return the first half of a subject's row: what it costs while all is well."""
    with Served(python, subject.app, folder, BENCH_FRESH_FOR=subject.fresh_for) as server:
        server.get(subject.path)
        single = latency(server.get_many(subject.path, 1, size.single))
        many = latency(server.get_many(subject.path, 32, size.each))
        return [subject.name, single, many, touches(server, subject.path)]


def hung(subject: Subject, python: str, folder: Path, patience: float) -> list[str]:
    """Return the second half: twelve callers while one check hangs, another page's caller, the recovery."""
    with Served(python, subject.app, folder, BENCH_FRESH_FOR=subject.fresh_for) as server:
        with server.hanging():
            answers = server.get_many(subject.path, 12, 1, patience)
            again = server.get(subject.path, patience)
            page = server.get("/", patience)
        start = time.monotonic()
        while server.get(subject.path, 2).status != 200 and time.monotonic() - start < patience:
            time.sleep(0.1)
        recovered = time.monotonic() - start
    none = sum(answer.status == 0 for answer in answers)
    slowest = max(answer.took for answer in answers)
    told = f"{none} of 12 without an answer" if none else f"all answered within {slowest:.1f} s"
    later, other = (_when(answer, patience) for answer in (again, page))
    recovery = f"{recovered:.1f} s" if recovered < patience else f"not in {patience:g} s"
    return [told, later, other, recovery]


def _when(answer: Answer, patience: float) -> str:
    return f"{answer.status} in {answer.took * 1e3:.0f} ms" if answer.status else f"none in {patience:g} s"


def ratio(name: str, app: str, route: str, folder: Path, rounds: int) -> Ratio:
    """Return the median seconds of a fresh report and of a static route, measured in turns."""
    fresh, static = [], []
    with Served(sys.executable, f"{OURS}:{app}", folder, BENCH_FRESH_FOR="3600") as server:
        for path in ("/health", route):
            server.timed(path, 300)
        for _ in range(rounds):
            fresh.append(statistics.median(server.timed("/health", 200)))
            static.append(statistics.median(server.timed(route, 200)))
    return Ratio(name, statistics.median(fresh), statistics.median(static))


def report(size: Size) -> tuple[list[list[str]], list[Ratio], bool]:
    """Measure everything; return the peers' rows, the ratios, and whether the peers were there."""
    python = peers_python()
    subjects = [subject for subject in SUBJECTS if python is not None or not subject.is_peer]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        told = [(each, python if each.is_peer and python else sys.executable) for each in subjects]
        costs = [measure(each, found, folder / f"s{n}", size) for n, (each, found) in enumerate(told)]
        with ThreadPoolExecutor(len(told)) as pool:  # waiting, not working: all may hang at once
            hangs = pool.map(lambda n: hung(*told[n], folder / f"h{n}", size.patience), range(len(told)))
            rows = [cost + hang for cost, hang in zip(costs, hangs, strict=True)]
        ratios = [
            ratio(*static, folder / f"r{number}", size.rounds) for number, static in enumerate(STATIC_ROUTES)
        ]
    return rows, ratios, python is not None


def page(rows: list[list[str]], ratios: list[Ratio], *, peers: bool, quick: bool) -> list[str]:
    """Return the lines of the results."""
    left_out = [] if peers else ["the peers (they could not be installed)"]
    if quick:
        left_out.append("most requests: one caller asked 10 times, 32 callers twice each")
    return [
        *_page.title("endpoint", "`/health` beside its peers", quick=quick),
        f"{_page.machine()}; callers on the same machine. Four checks: one committed SQLite write, three",
        "waits of 50 ms. gunicorn gthread (1 worker, 8 threads) or uvicorn. Each library with its own",
        "defaults.",
        "",
        *_page.table(COLUMNS, rows),
        "",
        "A fresh report beside the framework's own static JSON route, one kept connection, medians in turns:",
        "",
        *_page.table(("route", "fresh report us", "static us", "ratio"), [each.cells() for each in ratios]),
        "",
        f"Left out: {'; '.join(left_out) or 'nothing'}.",
    ]


def main(argv: list[str] | None = None) -> int:
    """Measure and print; return 1 when a fresh report is dearer than the limit."""
    chosen = _page.arguments("endpoint", __doc__).parse_args(argv)
    rows, ratios, peers = report(QUICK if chosen.quick else FULL)
    _page.publish("endpoint", page(rows, ratios, peers=peers, quick=chosen.quick), write=chosen.write)
    return int(any(each.times > LIMIT for each in ratios))


if __name__ == "__main__":
    sys.exit(main())
