"""One run of one check, from start to landing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from healthkit.model import Check, Reading

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)


class Flight:
    """One run of one check, from start to landing. `started` is monotonic seconds."""

    __slots__ = ("_flying", "callbacks", "cancel", "late", "loop", "reading", "started", "task")

    def __init__(self, started: float) -> None:
        self.started = started
        self._flying = threading.Lock()  # held until it lands; an Event costs ten times as much
        self._flying.acquire()
        self.reading: Reading | None = None  # what it said, once landed
        self.late: Reading | None = None  # set once a caller found it over its timeout
        self.callbacks: list[Callable[[], object]] = []
        self.cancel: Callable[[], None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None  # the app's, for a run on it
        self.task: asyncio.Task[None] | None = None

    def land(self) -> None:
        """Let everybody go on who waits for it."""
        self._flying.release()

    def wait(self, seconds: float) -> bool:
        """Wait so long for its landing; return whether it has landed."""
        landed = self._flying.acquire(timeout=seconds)
        if landed:
            self._flying.release()  # for the next who waits
        return landed

    def is_lost(self) -> bool:
        """Whether it can never land, because the app's loop that carried it is closed."""
        return self.loop is not None and self.loop.is_closed()


async def attempt(check: Check) -> tuple[Any, BaseException | None]:
    """Run an async check. What it raises is returned: a `SystemExit` in a task would end the app's loop."""
    try:
        return await check.run(), None
    except BaseException as error:  # noqa: BLE001 - an outcome, cancellation at the timeout too
        return None, error


def cancel_on(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:
        log.debug("the app's loop was closed before a check on it could be cancelled")
