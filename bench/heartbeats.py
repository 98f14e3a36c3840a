"""What do heartbeats cost the job? With the checker up, down (port refused) and black-holed, beside none at
all.

`python -m bench.heartbeats [--quick] [--write] [--only jobs|workers] [--seconds N] [--pairs N]`. Every run is
paired with a bare one that ran just before or after it, so that a machine that gets slower meanwhile slows
both; a row tells the median of the pairs' ratios, and the CPU time that was added, which other load does not
blur. Jobs are whole processes, start to exit; an RQ worker is timed by its jobs, from the start of the first
to the end of the last. All run from byte code, as an installed package does. What a ping keeps the job for,
and the imports, are in `bench.app_side`. The full form takes about four minutes on a quiet machine.
"""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.job import Job

from bench import _page
from examples.servers import RedisServer
from tests.recording import RecordingServer, black_hole, refused_url

LIMIT = 1.05
ROOT = Path(__file__).parents[1]

JOB = """
import hashlib, sys, time
def job(seconds):
    end = time.process_time() + seconds / 4
    while time.process_time() < end:
        hashlib.sha256(b"x" * 10_000).digest()
    time.sleep(seconds * 3 / 4)
if len(sys.argv) > 2:
    from healthkit import Heartbeat
    job = Heartbeat(sys.argv[2] + "/ping/key/job").job(job)
job(float(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One subject against one checker: medians of seconds bare and watched, of the pairs' ratios, and of the
    CPU seconds added.
    """

    subject: str
    checker: str
    bare: float
    watched: float
    ratio: float
    cpu: float

    def cells(self) -> tuple[str, ...]:
        """Return its row of the table."""
        missed = " (missed)" if self.ratio > LIMIT else ""
        times = (f"{self.bare:.3f}", f"{self.watched:.3f}", f"{self.ratio:.3f}{missed}")
        return self.subject, self.checker, *times, f"{self.cpu * 1000:+.0f}"


Cost = tuple[float, float]  # seconds by the clock, and of CPU


def paired(
    subject: str, checker: str, pairs: int, bare: Callable[[], Cost], watched: Callable[[], Cost]
) -> Row:
    """Measure in turn, the order changing from pair to pair."""
    found = []
    for number in range(pairs):
        if number % 2:
            after = watched()
            found.append((bare(), after))
        else:
            before = bare()
            found.append((before, watched()))
    return Row(
        subject,
        checker,
        statistics.median(before[0] for before, _ in found),
        statistics.median(after[0] for _, after in found),
        statistics.median(after[0] / before[0] for before, after in found),
        statistics.median(after[1] - before[1] for before, after in found),
    )


def process(*command: str, **environ: str) -> Cost:
    """Return what a process took, from its start to its exit, its children included."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=os.environ | environ, cwd=ROOT, check=True, capture_output=True)
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def jobs(seconds: float, pairs: int, checker: str, url: str) -> Iterator[Row]:
    """Measure a job of so many seconds: within `Heartbeat`, and under `healthkit exec`."""
    plain = (sys.executable, "-c", JOB, str(seconds))
    wrapped = (
        sys.executable,
        "-m",
        "healthkit",
        "exec",
        "--quiet",
        "--url",
        f"{url}/ping/key/job",
        "--",
        *plain,
    )
    for subject, watched in (("Heartbeat.job", (*plain, url)), ("healthkit exec", wrapped)):
        yield paired(
            f"{subject}, {seconds:g} s", checker, pairs, partial(process, *plain), partial(process, *watched)
        )


def work(redis_url: str, kind: str, url: str, count: int) -> Cost:
    """Return what an RQ worker takes for `count` small jobs; its CPU time includes its start."""
    environ = {"HEALTHKIT_PING_URL": f"{url}/ping/key/worker" if url else "", "HEALTHKIT_PING_EVERY": "1"}
    with Redis.from_url(redis_url) as connection:
        connection.flushdb()
        queue = Queue(connection=connection)
        todo = [queue.enqueue("time.sleep", 0.002) for _ in range(count)]
        script = [
            str(Path(sys.executable).with_name("rq")),
            "worker",
            "--burst",
            "--quiet",
            "--url",
            redis_url,
        ]
        _, cpu = process(*script, "--worker-class", kind, PYTHONPATH=str(ROOT), **environ)
        first, last = (Job.fetch(job.id, connection=connection) for job in (todo[0], todo[-1]))
    assert first.started_at is not None
    assert last.ended_at is not None
    return (last.ended_at - first.started_at).total_seconds(), cpu


def workers(count: int, pairs: int, checker: str, url: str) -> Iterator[Row]:
    """Measure the RQ workers beside the stock ones."""
    with RedisServer() as server:
        for name, many in (("Worker", count), ("SimpleWorker", count * 5)):
            yield paired(
                f"RQ Heartbeat{name}, {many} jobs",
                checker,
                pairs,
                partial(work, server.url, f"rq.{name}", "", many),
                partial(work, server.url, f"healthkit.workers.rq.Heartbeat{name}", url, many),
            )


def compile_once(folder: str) -> None:
    """Have every measured process find byte code, as pip leaves it, even where the environment forbids it."""
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    imports = "import healthkit.heartbeat, healthkit.transport, rq.cli, healthkit.workers.rq, hashlib"
    process(sys.executable, "-c", imports)
    process(sys.executable, "-m", "healthkit", "exec", "--quiet", "--url", "", "--", "true")


@contextlib.contextmanager
def checkers() -> Iterator[dict[str, str]]:
    """Yield the base URLs of the three checkers."""
    with RecordingServer() as server, black_hole() as hole:
        yield {"up": server.url, "down": refused_url(), "black hole": hole}


def main(argv: list[str] | None = None) -> int:
    """Measure and print; in the full form, return 1 when a job was slowed by more than the limit."""
    parser = _page.arguments("heartbeats", __doc__)
    parser.add_argument("--only", choices=("jobs", "workers"), help="measure these alone")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a job is (default 2)")
    parser.add_argument("--pairs", type=int, help="pairs a row (default 4, quick 1)")
    chosen = parser.parse_args(argv)
    pairs = chosen.pairs or (1 if chosen.quick else 4)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, checkers() as urls:
        os.environ["HEALTHKIT_STATE_DIR"] = folder
        compile_once(folder)
        for checker, url in urls.items():
            if chosen.only != "workers":
                rows.extend(jobs(chosen.seconds, pairs, checker, url))
            if chosen.only != "jobs":
                rows.extend(workers(60, pairs, checker, url))
    lines = [
        *_page.title("heartbeats", "What heartbeats cost the job", quick=chosen.quick),
        f"{_page.machine()}. Pairs a row: {pairs}, of the same work bare and watched, in turns; the ratio is",
        f"the median of the pairs', at most {LIMIT}. RQ's jobs do next to nothing, so its rows vary by some",
        "percent either way.",
        "",
        *_page.table(
            ("what", "checker", "bare s", "watched s", "ratio", "CPU added ms"), map(Row.cells, rows)
        ),
    ]
    _page.publish("heartbeats", lines, write=chosen.write)
    return int(not chosen.quick and any(row.ratio > LIMIT for row in rows))


if __name__ == "__main__":
    sys.exit(main())
