"""The one engine: asks many checks at once, in a thread or on a loop, none longer than its timeout."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from healthkit.flight import Flight
from healthkit.model import Reading
from healthkit.runner import Runner

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)


def collect(runners: Iterable[Runner]) -> list[Reading]:
    """Return a reading of each check, waiting here; all run at once, none longer than its timeout."""
    under_way = [(runner, runner.begin()) for runner in runners]
    return [_wait(runner, found) if isinstance(found, Flight) else found for runner, found in under_way]


async def collect_async(runners: Iterable[Runner]) -> list[Reading]:
    """Return a reading of each check without blocking the running loop, nor a thread for each caller."""
    import asyncio

    loop = asyncio.get_running_loop()
    under_way = [(runner, runner.begin(loop)) for runner in runners]
    return [
        await _wait_async(runner, found, loop) if isinstance(found, Flight) else found
        for runner, found in under_way
    ]


def _wait(runner: Runner, flight: Flight) -> Reading:
    flight.wait(max(0.0, runner.time_left(flight)))
    return runner.settle(flight)


async def _wait_async(runner: Runner, flight: Flight, loop: asyncio.AbstractEventLoop) -> Reading:
    landed: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(max(0.0, runner.time_left(flight)), _resolve, landed)
    runner.on_landing(flight, partial(_wake, loop, landed))
    try:
        await landed
    finally:
        timer.cancel()
    return runner.settle(flight)


def _wake(loop: asyncio.AbstractEventLoop, landed: asyncio.Future[None]) -> None:
    try:
        loop.call_soon_threadsafe(_resolve, landed)
    except RuntimeError:
        log.debug("a caller's loop was closed before the check landed")


def _resolve(landed: asyncio.Future[None]) -> None:
    if not landed.done():
        landed.set_result(None)
