"""Keeps the loops running: one that raises is logged, shown in the own health, and started again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a restart, doubling
STEADY = 60.0  # seconds a loop must run before it is trusted again

Loop = Callable[[], Awaitable[object]]
Sign = Callable[[], float | None]


@dataclass(slots=True)
class LoopState:
    """How a loop fares; `error` is its last failure's class, and empty once it has run steadily again.

    `sign` tells when it last got through a turn: a loop that hangs neither fails nor ends.
    """

    name: str
    began: float = 0.0
    sign: Sign | None = None
    failures: int = 0
    error: str = ""
    failed_at: float | None = None
    running: bool = False

    def still_for(self, now: float) -> float:
        """Return for how many seconds it has not turned; 0 where it gives no sign."""
        if self.sign is None:
            return 0.0
        return max(0.0, now - max(self.began, self.sign() or self.began))


class Supervisor:
    """Runs loops beside each other until it is cancelled."""

    def __init__(self, clock: Callable[[], float], *, first_pause: float = FIRST_PAUSE) -> None:
        self._clock = clock
        self._first_pause = first_pause
        self._tasks: list[asyncio.Task[None]] = []
        self.loops: dict[str, LoopState] = {}

    def start(self, name: str, run: Loop, *, sign: Sign | None = None) -> None:
        """Start a loop that shall run for ever; `sign` gives the time (epoch seconds) of its last turn."""
        state = self.loops[name] = LoopState(name, self._clock(), sign)
        self._tasks.append(asyncio.get_running_loop().create_task(self._keep(state, run), name=name))

    async def stop(self, timeout: float) -> None:
        """Cancel every loop and wait at most `timeout` seconds for them to end."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout)
            for task in late:
                logger.warning("loop %r did not stop within %g s", task.get_name(), timeout)
        self._tasks.clear()

    async def _keep(self, state: LoopState, run: Loop) -> None:
        pause = self._first_pause
        while True:
            began = asyncio.get_running_loop().time()
            state.running = True
            try:
                await run()
                error: Exception = RuntimeError("the loop ended by itself")
            except Exception as raised:  # noqa: BLE001 - a loop must survive whatever one turn of it meets
                error = raised
            finally:
                state.running = False
            if asyncio.get_running_loop().time() - began > STEADY:
                pause = self._first_pause
            state.failures += 1
            state.error, state.failed_at = type(error).__name__, self._clock()
            logger.error("loop %r failed and starts again in %g s", state.name, pause, exc_info=error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def recent(self, within: float) -> list[LoopState]:
        """Return the loops that failed within the last so many seconds, or did not turn, or do not run."""
        now = self._clock()
        return [
            state
            for state in self.loops.values()
            if not state.running
            or (state.failed_at is not None and now - state.failed_at < within)
            or state.still_for(now) > within
        ]
