"""Where does a poll's CPU time go? Each part of it by itself, in microseconds a poll.

`python -m bench.polling_parts [--quick] [--write]`. A document of five components that is another one each
time; SQLite with synchronous=FULL. Each figure is the least of several turns: what others do on the machine
only adds.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench._page import keep_headed
from bench._polling.target import COMPONENTS, VARIANTS, checks, document
from bench.polling import target
from checker.http import Http, Phases, Request, Response
from checker.memory import Memory
from checker.model import Kind, MonitorSpec, Poll
from checker.reading import read
from checker.record import Recorder
from checker.registry import Registry
from checker.rules.steady import says_the_same
from checker.state import advance, initial
from checker.store import Store, door, monitors
from checker.tally import LAZY

AT = 1_700_000_000.0
ENDPOINTS = 200
IN_FLIGHT = 20
_HEADERS = {"content-type": "application/health+json", "cache-control": "max-age=0"}


def least(turns: int, each: int, work: Callable[[], object]) -> float:
    """Return the CPU microseconds of one `work`, the least of several turns of `each`."""
    found = []
    for _ in range(turns):
        began = time.process_time()
        for _ in range(each):
            work()
        found.append((time.process_time() - began) / each * 1e6)
    return min(found)


async def least_async(turns: int, each: int, work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU microseconds of what `work` does `each` of, the least of several turns."""
    found = []
    for _ in range(turns):
        began = time.process_time()
        await work()
        found.append((time.process_time() - began) / each * 1e6)
    return min(found)


def looks() -> Callable[[], Poll]:
    """Return a function that reads the next document."""
    answers = [
        Response(200, _HEADERS, document(checks(n), n, AT), phases=Phases(total=0.01))
        for n in range(VARIANTS)
    ]
    number = count()

    def look() -> Poll:
        at = next(number)
        return read(answers[at % VARIANTS], AT + at / 1_000)

    return look


async def fetching(turns: int, requests: int) -> float:
    """Return what asking costs, over kept connections."""
    with target() as port:
        async with Http() as http:

            async def ask() -> None:
                left = iter(range(requests))

                async def one(host: int) -> None:
                    for _ in left:
                        await http.request(Request(f"http://127.1.1.{host + 1}:{port}/doc"))

                await asyncio.gather(*(one(host) for host in range(IN_FLIGHT)))

            await ask()
            return await least_async(turns, requests, ask)


async def recording(turns: int, store: Store) -> tuple[float, float]:
    """Return what a look costs at the door: judged in full, and as a row of history alone."""
    specs = [
        MonitorSpec(Kind.ENDPOINT, f"e{n}", url=f"http://e{n}.test/", every=1.0) for n in range(ENDPOINTS)
    ]
    await store.write(lambda conn: monitors.sync(conn, specs, AT))
    registry = Registry(store)
    await registry.reload()
    ids, look, now = [each for each, _ in registry.endpoints()], looks(), [AT]
    recorder = Recorder(store, registry, lambda: now[0])

    async def judge() -> None:
        now[0] += 1
        await recorder.record([(each, replace(polls[each], at=now[0])) for each in ids])

    async def write() -> None:
        await recorder.record([], history=[door.poll_row(each, polls[each]) for each in ids])

    polls = {each: look() for each in ids}
    await judge()
    return await least_async(turns, ENDPOINTS, judge), await least_async(turns, ENDPOINTS, write)


def judging(turns: int, each: int) -> float:
    """Return what `advance` costs for an endpoint and its components, pure."""
    spec, poll = MonitorSpec(Kind.ENDPOINT, "shop"), looks()()
    state, _ = advance(spec, initial(spec, AT), poll, AT)
    return least(turns, each, lambda: advance(spec, state, poll, AT)) * (COMPONENTS + 1)


def recalling(turns: int, each: int) -> float:
    """Return what it costs to know of a look's instances and of components that are gone."""
    spec, look = MonitorSpec(Kind.ENDPOINT, "shop"), looks()()
    known = {key: number for number, (key, _) in enumerate(look.components)}
    memory = Memory(lambda _: known)
    return least(turns, each, lambda: memory.recall(1, spec, look))


def table(turns: int) -> list[str]:
    """Measure the parts, and return the lines of their table."""
    look = looks()
    first, second = look(), look()
    fetch = asyncio.run(fetching(turns, 2_000))
    reading = least(turns, 500, look)
    recall = recalling(turns, 2_000)
    same = least(turns, 2_000, lambda: says_the_same(second, first))
    with TemporaryDirectory(prefix="healthkit-bench-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'checker.db'}")
        store.migrate()
        full, history = asyncio.run(recording(turns, store))
        store.close()
    share = 1 / LAZY
    rows = [
        ("asking: libcurl, its limits and guards, the loop", fetch, fetch),
        (f"reading the document, {COMPONENTS} components", reading, reading),
        ("which instance said it, and is a component gone?", recall, recall),
        ("seeing that it says the same", same, same),
        ("its row of history, durable", history, history * (1 - share)),
        ("judged in full: states read, advanced, written, history", full, full * share),
        ("of that, `advance` alone", judging(turns, 500), 0.0),
    ]
    return [
        f"Python {platform.python_version()} ({platform.machine()}). CPU, in microseconds.",
        "",
        "| part | each time | a poll, asked each second |",
        "|---|---|---|",
        *(f"| {name} | {each:.1f} | {f'{a_poll:.1f}' if a_poll else ''} |" for name, each, a_poll in rows),
        f"| together | | {sum(a_poll for _, _, a_poll in rows):.1f} |",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.polling_parts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument(
        "--write", action="store_true", help="write bench/results/polling_parts-<date>.md too"
    )
    given = parser.parse_args(arguments)
    lines = table(4 if given.quick else 15)
    print(*lines, sep="\n")
    if given.write:
        keep_headed("polling_parts", "The parts of a poll", "polling_parts", "\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
