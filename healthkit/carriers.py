"""Carrying one call off the caller's thread: a daemon thread, or gevent's native pool where gevent rules."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Carrier(Protocol):
    """Runs calls elsewhere; the caller never waits, and the interpreter's exit never does either."""

    def carry(self, work: Callable[[], T], landed: Callable[[T], None], name: str) -> None:
        """Run `work` elsewhere and hand its result to `landed`. `work` must not raise."""


class ThreadCarrier:
    """A fresh daemon thread a call: none while idle, none before a fork, none that an exit would join."""

    def carry(self, work: Callable[[], T], landed: Callable[[T], None], name: str) -> None:
        """Run `work`, then `landed`, in a daemon thread."""
        threading.Thread(target=lambda: landed(work()), name=name, daemon=True).start()


class GeventCarrier:
    """One native thread beside gevent's hub, so that a call that blocks in C freezes no greenlet.

    `landed` runs in the hub. Made on the thread whose hub it serves.
    """

    IDLE_SECONDS = 5.0

    def __init__(self) -> None:
        from gevent.threadpool import ThreadPool

        self._pool: Any = ThreadPool(1, idle_task_timeout=self.IDLE_SECONDS)

    def carry(self, work: Callable[[], T], landed: Callable[[T], None], name: str) -> None:  # noqa: ARG002
        """Run `work` in the pool's thread, then `landed` in the hub."""
        self._pool.spawn(work).rawlink(lambda result: landed(result.value))


def gevent_rules() -> bool:
    """Whether gevent has replaced the threading module's primitives in this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def choose() -> Carrier:
    """Return the carrier that fits the process now; called at a check's first run, never at import."""
    return GeventCarrier() if gevent_rules() else ThreadCarrier()
