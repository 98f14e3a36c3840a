"""The checker's poller with its client, door and store on SQLite, measured from within its own process.

`python -m bench._polling.ours JSON` prints a `Measured` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench._polling.plan import Measured, Plan, files, peak_mb, percentile, urls
from checker.http import Http, Request, Response
from checker.model import Kind, MonitorSpec
from checker.poller import FIRST_WITHIN, Poller, next_slot
from checker.process import settle_garbage
from checker.record import Recorder
from checker.registry import Registry
from checker.store import Store, monitors

WARM_WITHIN = 20.0  # seconds; whatever the machine, a measurement ends


class Watched(Http):
    """The checker's client, that notes when each request began: what drift is measured by."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[str, float]] = []

    async def request(self, request: Request) -> Response:
        """Note, and pass on."""
        self.begun.append((request.url, time.monotonic()))
        return await super().request(request)


async def measure(plan: Plan, store: Store) -> Measured:
    """Poll as planned, first for as long as it takes until all is known, then for as long as is asked."""
    specs = [
        MonitorSpec(Kind.ENDPOINT, f"service-{n}", url=url, every=plan.every, timeout=plan.timeout)
        for n, url in enumerate(urls(plan))
    ]
    await store.write(lambda conn: monitors.sync(conn, specs, time.time()))
    registry = Registry(store)
    await registry.reload()
    recorder = Recorder(store, registry, time.time)
    http = Watched()
    async with http:
        poller = Poller(registry, recorder, http, time.time)
        running = asyncio.create_task(poller.run())
        await asyncio.sleep(min(plan.every, FIRST_WITHIN) + 1.5 * plan.every)
        await _settled(registry, recorder, plan)
        settle_garbage()  # as the checker does once it runs
        http.begun.clear()
        before, wall, writer, cpu = _rows(store), time.monotonic(), _writer_cpu(), time.process_time()
        await asyncio.sleep(plan.seconds)
        cpu = time.process_time() - cpu
        writer = _writer_cpu() - writer
        took = time.monotonic() - wall
        begun, after = list(http.begun), _rows(store)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await recorder.drain()
    late = sorted(_drifts(specs, begun))
    polls = sum(not urlsplit(url).path.startswith("/hang") for url, _ in begun)
    return Measured(
        polls=polls,
        expected=plan.answering * took / plan.every,
        rows=after - before,
        cpu=cpu,
        drift_p50=percentile(late, 50),
        drift_p99=percentile(late, 99),
        peak_mb=peak_mb(),
        writer=writer,
    )


async def _settled(registry: Registry, recorder: Recorder, plan: Plan) -> None:
    """Wait until the components of all that answer are known, and nothing waits to be written."""
    end = time.monotonic() + WARM_WITHIN
    while time.monotonic() < end:
        known = sum(bool(registry.components(each)) for each, _ in registry.endpoints())
        if known >= plan.answering and recorder.waiting < plan.answering:
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(plan.every)


def _drifts(specs: list[MonitorSpec], begun: list[tuple[str, float]]) -> list[float]:
    """Return how long after its planned moment each look at one that answers began, in seconds."""
    by_url = {spec.url: spec for spec in specs}
    found = []
    for url, at in begun:
        spec = by_url[url]
        if not urlsplit(url).path.startswith("/hang"):
            phase = next_slot(spec, 0.0, 0.0) % spec.every
            found.append(math.fmod(at - phase, spec.every))
    return found


def _writer_cpu() -> float:
    """Return the CPU seconds of the thread that writes to the store."""
    clocks = [
        time.pthread_getcpuclockid(each.ident)
        for each in threading.enumerate()
        if each.ident is not None and each.name.startswith("store-writer")
    ]
    return sum(time.clock_gettime(clock) for clock in clocks)


def _rows(store: Store) -> int:
    """Return how many rows the history of polls has."""
    query = "SELECT count(*) FROM poll"
    return int(store.read_now(lambda conn: conn.exec_driver_sql(query).scalar()) or 0)


def main() -> None:
    """Measure what the argument asks for, and print it."""
    plan = Plan(**json.loads(sys.argv[1]))
    files()
    with TemporaryDirectory(prefix="healthkit-bench-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'checker.db'}")
        store.migrate()
        print(json.dumps(asdict(asyncio.run(measure(plan, store)))))
        store.close()


if __name__ == "__main__":
    main()
