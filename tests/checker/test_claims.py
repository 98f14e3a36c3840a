"""The claims that the checker decides, a row each: alert or silence, once, with the right cause.

Everything is real but the network and the clock: pings and looks go through the door, deadlines through the
watcher, incidents through the assembler, messages through the dispatcher.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker.config import parse
from checker.http import ErrorKind, HttpError, Response
from checker.model import Cause, MonitorSpec, Ping, PingKind, State
from checker.reading import no_answer, read
from checker.store import Store
from checker.watcher import BLIND_AFTER
from tests.checker.house import NOW, House
from tests.checker.stores import prepared

MINUTE, HOUR = 60.0, 3600.0
CONFIG = """
[[endpoint]]
name = "shop"
url = "https://shop.test/health"

[[heartbeat]]
name = "worker"
every = "60s"
grace = "60s"
stalled_after = "5m"

[[heartbeat]]
name = "nightly"
schedule = "0 2 * * *"
grace = "15m"
max_runtime = "30m"
min_runtime = "5s"
depends_on = ["shop/database:write"]

[[heartbeat]]
name = "batch"
every = "10m"
grace = "0s"
cycle = "5m"

[[heartbeat]]
name = "report"
every = "1h"
grace = "10m"
max_runtime = "auto"
min_interval = "20m"
"""
PARTS = {
    "database:write": ("pass", ""),
    "queue-default:depth": ("pass", ""),
    "worker-default:heartbeat": ("pass", ""),
    "stripe:responseTime": ("pass", ""),
}


class Site:
    """The whole checker with its clock; the shop is looked at every half minute, each part as it is set."""

    def __init__(self, store: Store) -> None:
        specs: tuple[MonitorSpec, ...] = parse(CONFIG, Path("checker.toml"), {}).monitors
        self.specs = specs
        self.store = store
        self.house = House(store, *specs)  # every step of the clock is seen, however long
        self.step = 10.0
        self.parts = dict(PARTS)
        self.down: HttpError | None = None
        self.status: int | None = None  # answered with no document
        self.beats = True  # the worker signs
        self.looks = 0

    async def start(self) -> None:
        await self.house.watcher.start(NOW)
        for name in ("batch", "report", "nightly"):
            await self.house.ping(name)
        await self.turn()

    async def turn(self) -> None:
        """One look, one sign of the worker, and all loops."""
        if self.looks % max(1, round(30 / self.step)) == 0:
            poll = self._poll()
            await self.house.recorder.record([(self.house.id("shop"), poll)])
            if self.beats:
                await self.house.ping("worker")
        self.looks += 1
        await self.house.turn(self.house.now + self.step)

    async def restart(self, away: float) -> None:
        """Kill the checker, and start another on its store after a while; it looks each second."""
        channels, now = self.house.channels, self.house.now + away
        self.house = House(self.store, *self.specs, blind_after=BLIND_AFTER)
        self.house.channels, self.house.now, self.step = channels, now, 1.0
        await self.house.watcher.start(now)

    async def wait(self, seconds: float, *, keep: tuple[str, ...] = ("batch", "report", "nightly")) -> None:
        """Let time pass in steps of ten seconds; those in `keep` sign whenever they should."""
        end = self.house.now + seconds
        while self.house.now < end:
            await self.turn()
            for name in keep:
                state = self.house.state(name)
                if (
                    not state.runs
                    and state.due_at is not None
                    and state.due_at - self.house.now < 2 * self.step
                ):
                    await self.house.ping(name)

    async def ping(self, name: str, kind: str = "success", **more: Any) -> None:
        await self.house.ping(name, replace(Ping(PingKind(kind), self.house.now), **more))

    def _poll(self) -> Any:
        if self.down is not None:
            return no_answer(self.down, self.house.now)
        failing = any(status == "fail" for status, _ in self.parts.values())
        warning = any(status == "warn" for status, _ in self.parts.values())
        document = {
            "status": "fail" if failing else "warn" if warning else "pass",
            "checks": {
                key: [{"status": status, "output": output}] for key, (status, output) in self.parts.items()
            },
        }
        body = json.dumps(document).encode() if self.status is None else b"<html>"
        kind = "application/health+json" if self.status is None else "text/html"
        status = self.status or (503 if failing else 200)
        return read(Response(status, {"content-type": kind}, body), self.house.now)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What was told: event, title, the cause of the member that the incident is named by."""
        return [
            (str(each.event), each.incident.title, each.incident.cause)
            for each in self.house.channels["ops"].told
        ]

    def causes(self) -> set[str]:
        return {
            str(member.cause) for each in self.house.channels["ops"].told for member in each.incident.members
        }


Story = Callable[[Site], Awaitable[None]]


def part(key: str, output: str, status: str = "fail") -> Story:
    async def story(site: Site) -> None:
        site.parts[key] = (status, output)
        await site.wait(5 * MINUTE)

    return story


async def worker_dead(site: Site) -> None:
    site.beats = False
    await site.wait(5 * MINUTE)


async def worker_stuck(site: Site) -> None:
    site.beats = False
    for _ in range(40):
        await site.ping("worker", processed=120.0, backlog=40.0)
        await site.wait(10)


async def worker_idle(site: Site) -> None:
    site.beats = False
    for _ in range(60):
        await site.ping("worker", processed=120.0, backlog=0.0)
        await site.wait(10)


async def worker_busy(site: Site) -> None:
    site.beats = False
    for done in range(60):
        await site.ping("worker", processed=float(done), backlog=40_000.0)
        await site.wait(10)


async def nightly_missed(site: Site) -> None:
    site.step = 100.0
    await site.wait(13 * HOUR, keep=("batch", "report"))


async def nightly_crashed(site: Site) -> None:
    await site.ping("nightly", "start")
    await site.wait(MINUTE)
    await site.ping("nightly", "fail", exit_code=1, body=b"KeyError: 'STRIPE_KEY'\n")
    await site.wait(5 * MINUTE)


async def nightly_hangs(site: Site) -> None:
    await site.ping("nightly", "start")
    await site.wait(HOUR)


async def nightly_too_fast(site: Site) -> None:
    await site.ping("nightly", "start")
    site.house.now += 1
    await site.ping("nightly")
    await site.wait(5 * MINUTE)


async def nightly_fine(site: Site) -> None:
    await site.ping("nightly", "start")
    await site.wait(20 * MINUTE)
    await site.ping("nightly")
    await site.wait(HOUR)


async def report_overruns(site: Site) -> None:
    site.step = 60.0
    await site.wait(30 * MINUTE, keep=("batch", "nightly"))
    for _ in range(6):
        await site.ping("report", "start")
        await site.wait(4 * MINUTE, keep=("batch", "nightly"))
        await site.ping("report")
        await site.wait(50 * MINUTE, keep=("batch", "nightly"))
    await site.ping("report", "start")
    await site.wait(31 * MINUTE, keep=("batch", "nightly"))


async def report_too_often(site: Site) -> None:
    await site.wait(5 * MINUTE)
    await site.ping("report")
    await site.wait(5 * MINUTE)


async def batch_of_twice_its_cycle(site: Site) -> None:
    for length in (5 * MINUTE, 10 * MINUTE - 10, 10 * MINUTE - 10):
        await site.wait(length, keep=("report", "nightly"))
        await site.ping("batch")


async def blip(site: Site) -> None:
    site.down = HttpError(ErrorKind.TIMEOUT, "no answer within 10 s")
    await site.wait(30)
    site.down = None
    await site.wait(5 * MINUTE)


async def unreachable(site: Site) -> None:
    site.down = HttpError(ErrorKind.REFUSED, "connection refused")
    await site.wait(5 * MINUTE)


def answers(status: int) -> Story:
    async def story(site: Site) -> None:
        site.status = status
        await site.wait(5 * MINUTE)

    return story


async def checker_restarts(site: Site) -> None:
    """Ten minutes' absence: signs fall on deaf ears, and everything is well after it."""
    await site.wait(5 * MINUTE)
    await site.restart(10 * MINUTE)
    await site.wait(15 * MINUTE)


async def nothing(site: Site) -> None:
    await site.wait(2 * HOUR)


async def database_with_its_job(site: Site) -> None:
    site.parts["database:write"] = ("fail", "read-only")
    await site.wait(2 * MINUTE)
    await site.ping("nightly", "fail", exit_code=1)
    await site.wait(5 * MINUTE)


WRITE, DEPTH = "database:write", "queue-default:depth"
ROWS: list[tuple[str, str, Story, str, str, str]] = [
    # claim, what happens, the story, the title, the cause as a word, what the message says
    ("A1 A5 B3", "a worker died", worker_dead, "worker did not report in time", "missed", "no sign since"),
    ("A2 A6 B12", "a worker is stuck", worker_stuck, "worker is stalled", "stalled", "40 waiting"),
    ("A3 A16 B2 B11", "no nightly job", nightly_missed, "nightly did not report", "missed", "did not run"),
    ("A7", "a backlog", part(DEPTH, "40000 jobs wait"), "queue-default:depth", "failing", "40000"),
    ("A8", "a queue grows", part(DEPTH, "grows", "warn"), "degraded", "degraded", "grows"),
    ("A9", "stripe fails", part("stripe:responseTime", "500"), "stripe:responseTime is", "failing", "500"),
    ("A10", "read-only", part(WRITE, "read-only"), "shop: database:write is failing", "failing", "read-only"),
    ("A12", "last seen 3 h", part("worker-default:heartbeat", "3 h ago"), "worker-default", "failing", "3 h"),
    ("A14 B5", "503, no document", answers(503), "shop answers with an error", "http", "answered 503"),
    ("B5", "nobody answers", unreachable, "shop cannot be reached", "unreachable", "connection refused"),
    ("B2 B14", "a missing secret", nightly_crashed, "nightly failed", "failed", "KeyError: 'STRIPE_KEY'"),
    ("B4 B9", "hangs halfway", nightly_hangs, "nightly has not finished in time", "overrun", "limit 30 min"),
    ("B7", "exits early", nightly_too_fast, "nightly finished too fast", "too fast", "too fast"),
    ("B9", "overruns what is usual", report_overruns, "report has not", "overrun", "usually 4 min"),
    ("B7", "runs too often", report_too_often, "report runs too often", "too often", "ran again"),
    ("root cause", "a dead database's job", database_with_its_job, "database:write", "failing", "read-only"),
]  # fmt: skip
SILENCE: list[tuple[str, str, Story]] = [
    ("B1", "all is well", nothing),
    ("A8 B12", "an idle queue", worker_idle),
    ("B10", "a long backlog that moves", worker_busy),
    ("A17", "a batch of twice its cycle", batch_of_twice_its_cycle),
    ("A18", "a network blip", blip),
    ("B6", "a job that takes its time", nightly_fine),
    ("C2", "the checker was away for ten minutes", checker_restarts),
]


@pytest.fixture
def site(tmp_path: Path) -> Any:
    store = prepared(tmp_path / "checker.db")
    yield Site(store)
    store.close()


def play(site: Site, story: Story) -> None:
    async def main() -> None:
        await site.start()
        await story(site)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("story", "title", "cause", "said"),
    [pytest.param(*row[2:], id=f"{row[0]}: {row[1]}") for row in ROWS],
)
def test_a_fault_is_told_once_with_its_cause(
    site: Site, story: Story, title: str, cause: str, said: str
) -> None:
    play(site, story)
    assert len(site.told) == 1, site.told
    event, told, why = site.told[0]
    assert event == "opened"
    assert title in told
    assert said in why
    assert cause in site.causes()


@pytest.mark.parametrize("story", [pytest.param(row[2], id=f"{row[0]}: {row[1]}") for row in SILENCE])
def test_what_is_no_fault_is_not_told(site: Site, story: Story) -> None:
    play(site, story)
    assert site.told == []


def test_a_green_site_does_not_clear_a_job_nor_a_job_the_site(site: Site) -> None:
    """B1, B15, B19."""
    play(site, nightly_crashed)
    assert site.house.state("shop").state is State.UP
    assert site.house.state("nightly").cause is Cause.FAILED


def test_an_attached_job_is_named_and_its_recovery_recorded(site: Site) -> None:
    async def story(site: Site) -> None:
        await database_with_its_job(site)
        site.parts[WRITE] = ("pass", "")
        await site.ping("nightly")
        await site.wait(10 * MINUTE)

    play(site, story)
    assert [event for event, _, _ in site.told] == ["opened", "resolved"]
    resolved = site.house.channels["ops"].told[-1].incident
    assert {each.name: each.resolved_at is not None for each in resolved.members} == {
        "shop": True,
        "shop/database:write": True,
        "nightly": True,
    }
