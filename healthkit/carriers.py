"""Carrying one call off the caller's thread: a daemon thread, or gevent's native pool where gevent rules."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, Protocol, TypeVar

from healthkit.forks import survive

T = TypeVar("T")


class Carrier(Protocol):
    """Runs calls elsewhere; the caller never waits, and the interpreter's exit never does either."""

    def carry(self, work: Callable[[], T], landed: Callable[[T], bool], name: str) -> None:
        """Run `work` elsewhere and hand its result to `landed`. `work` must not raise.

        `landed` returns whether the call left its thread fit for another one.
        """


class _Desk:
    """Where a thread finds its next call."""

    __slots__ = ("call", "handed", "name")

    def __init__(self, call: Callable[[], bool], name: str) -> None:
        self.call: Callable[[], bool] | None = call
        self.name = name
        self.handed = threading.Lock()  # held by its thread; whoever lays down a call releases it
        self.handed.acquire()


class ThreadCarrier:
    """Daemon threads, one a call under way: none before a fork, none in a quiet app, none that an exit joins.

    To start a thread costs more than all else that the engine does for a check, so one whose call went well
    is handed the next. No call ever waits for another, though: where no thread is idle, one is started. And
    a thread takes none once it is two seconds old, or after a failure: what a check leaves behind in its
    thread (a thread-local session, an open transaction, a broken connection) must not outlive its cause.
    """

    LIFE = 2.0  # seconds
    IDLE = "healthkit idle"

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.reset()
        survive(self)

    def reset(self) -> None:
        """Forget the idle threads: called at birth, and in a forked child, where they are gone."""
        self._idle: list[_Desk] = []  # changed by atomic calls: a lock could be held while another forks

    def carry(self, work: Callable[[], T], landed: Callable[[T], bool], name: str) -> None:
        """Run `work`, then `landed`, in a daemon thread. Raises `RuntimeError` when none can be started."""
        call = partial(_call, work, landed)
        try:
            desk = self._idle.pop()
        except IndexError:
            desk = _Desk(call, name)
            threading.Thread(target=self._serve, args=(desk,), name=name, daemon=True).start()
        else:
            desk.call, desk.name = call, name
            desk.handed.release()

    def _serve(self, desk: _Desk) -> None:
        thread, end = threading.current_thread(), self._monotonic() + self.LIFE
        while _work(desk):
            thread.name = self.IDLE
            if not self._gets_another(desk, end - self._monotonic()):
                return
            thread.name = desk.name

    def _gets_another(self, desk: _Desk, left: float) -> bool:
        """Wait for the next call for as long as the thread has left; return whether one came."""
        if left <= 0:
            return False
        self._idle.append(desk)
        if desk.handed.acquire(timeout=left):
            return True
        try:
            self._idle.remove(desk)
        except ValueError:  # somebody has just taken it, and lays down a call
            return desk.handed.acquire()
        return False


def _call(work: Callable[[], T], landed: Callable[[T], bool]) -> bool:
    return landed(work())


def _work(desk: _Desk) -> bool:
    """Make the call that lies on a desk, in a context of its own; return whether the thread is still fit."""
    call, desk.call = desk.call, None  # nothing of a check is kept by an idle thread
    return call is not None and Context().run(call)


threads = ThreadCarrier()


class GeventCarrier:
    """One native thread beside gevent's hub, so that a call that blocks in C freezes no greenlet.

    `landed` runs in the hub. Made on the thread whose hub it serves.
    """

    IDLE_SECONDS = 2.0

    def __init__(self) -> None:
        from gevent.threadpool import ThreadPool

        self._pool: Any = ThreadPool(1, idle_task_timeout=self.IDLE_SECONDS)

    def carry(self, work: Callable[[], T], landed: Callable[[T], bool], name: str) -> None:  # noqa: ARG002
        """Run `work` in the pool's thread, then `landed` in the hub."""
        self._pool.spawn(work).rawlink(lambda result: landed(result.value))


def gevent_rules() -> bool:
    """Whether gevent has replaced the threading module's primitives in this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def choose() -> Carrier:
    """Return the carrier that fits the process now; called at a check's first run, never at import."""
    return GeventCarrier() if gevent_rules() else threads
