"""What do heartbeats cost the job? With the checker up, down (port refused) and black-holed, beside none at
all.

`python -m bench.heartbeats [--quick] [--only jobs|workers] [--seconds N] [--pairs N]`. Every measured run is
paired with a bare one that ran just before or after it, so that a machine that gets slower meanwhile slows
both; a row tells the median of the pairs' ratios, and the CPU time that was added, which other load does not
blur. Jobs are whole processes, start to exit; an RQ worker is timed by its jobs, from the start of the first
to the end of the last. All run from byte code, as an installed package does.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import platform
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

from examples.servers import RedisServer
from healthkit import transport
from healthkit.heartbeat import Heartbeat
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

    def __str__(self) -> str:
        verdict = "" if self.ratio <= LIMIT else "  MISSED"
        times = f"{self.bare:8.3f} s {self.watched:8.3f} s {self.ratio:6.3f}"
        return f"{self.subject:<38} {self.checker:<11} {times} {self.cpu * 1000:+8.0f} ms{verdict}"


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


def handing_over(url: str) -> float:
    """Return the median seconds for which a ping keeps the job (a run has two)."""
    heartbeat = Heartbeat(f"{url}/ping/key/job")
    costs = []
    for _ in range(400):
        begun = time.perf_counter()
        heartbeat.ping()
        costs.append(time.perf_counter() - begun)
    transport.flush(10)
    return statistics.median(costs)


def importing(module: str) -> float:
    """Return the least CPU seconds of importing a module in a fresh interpreter."""
    script = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
    outputs = [subprocess.check_output([sys.executable, "-c", script], cwd=ROOT) for _ in range(7)]
    return min(float(output) for output in outputs)


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
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer pairs and shorter jobs")
    parser.add_argument("--only", choices=("jobs", "workers"), help="measure these alone")
    parser.add_argument("--seconds", type=float, help="how long a job is (default 4, quick 2)")
    parser.add_argument("--pairs", type=int, help="pairs a row (default 7, quick 3)")
    chosen = parser.parse_args(argv)
    seconds, pairs, count = (2.0, 3, 60) if chosen.quick else (4.0, 7, 200)
    seconds, pairs = chosen.seconds or seconds, chosen.pairs or pairs
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"Python {platform.python_version()}, {machine}; {pairs} pairs a row, limit {LIMIT}")
    print(f"{'subject':<38} {'checker':<11} {'bare':>10} {'watched':>10} {'ratio':>6} {'CPU added':>11}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, checkers() as urls:
        os.environ["HEALTHKIT_STATE_DIR"] = folder
        compile_once(folder)
        for checker, url in urls.items():
            rows: list[Iterator[Row]] = []
            if chosen.only != "workers":
                rows.append(jobs(seconds, pairs, checker, url))
            if chosen.only != "jobs":
                rows.append(workers(count, pairs, checker, url))
            for row in itertools.chain(*rows):
                print(row, flush=True)
        for checker, url in urls.items():
            print(f"{'handing a ping over':<38} {checker:<11} {handing_over(url) * 1e6:8.1f} us (limit 50)")
        transport.leave()
    for module in ("healthkit.commands.exec", "healthkit.commands.ping"):
        print(f"{'import ' + module:<50} {importing('healthkit.cli, ' + module) * 1000:8.1f} ms (limit 60)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
