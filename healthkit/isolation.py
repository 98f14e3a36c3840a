"""An event loop of its own for each async check, so that one that blocks freezes nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import selectors
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from healthkit.errors import Fail
from healthkit.outcomes import where

T = TypeVar("T")
log = logging.getLogger(__name__)

_left_behind: list[IsolatedLoop] = []


class IsolatedLoop:
    """A loop object that persists between runs, turned by whichever thread carries the run.

    It persists so that what a check keeps open (a dedicated connection) is still usable at the next run.
    """

    def __init__(self) -> None:
        self.loop = _Loop()
        self.loop.set_exception_handler(_tell)
        self.loop.set_default_executor(DaemonExecutor())
        self._finalizer = weakref.finalize(self, _close, self.loop, os.getpid())

    def run(self, coroutine: Coroutine[Any, Any, T], started: Callable[[Callable[[], None]], None]) -> T:
        """Run a coroutine to its end; `started` gets a function that cancels it from any thread."""
        task = self.loop.create_task(coroutine)
        started(lambda: self._cancel(task))
        return self.loop.run_until_complete(task)

    def forget(self) -> None:
        """Let go of it in a forked child, unclosed."""
        self._finalizer.detach()
        _left_behind.append(self)

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        try:
            self.loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:
            log.debug("the loop of a check was closed before its run could be cancelled")


class _Selector(selectors.DefaultSelector):
    """Looks at sockets every tenth turn only while there is other work: each look lets go of Python's lock.

    Where several checks run at once, to get it back costs more than all else that their loops do.
    """

    TURNS = 10

    _passed = 0  # turns since the last look

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0 and self._passed + 1 < self.TURNS:
            self._passed += 1
            return []
        self._passed = 0
        return super().select(timeout)


class _Loop(asyncio.SelectorEventLoop):
    """A loop that a forked child never closes: that would unregister the parent's file descriptors."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        super().__init__(_Selector())

    def __del__(self) -> None:
        if os.getpid() == self._pid:
            super().__del__()


class DaemonExecutor(ThreadPoolExecutor):
    """The executor behind `asyncio.to_thread` and name resolution in a check: threads that no exit joins."""

    LIMIT = 4

    def __init__(self) -> None:
        super().__init__(max_workers=1)  # asyncio wants this class; its own threads are never used
        self._room = threading.Semaphore(self.LIMIT)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a call in a daemon thread; raises `Fail` when four earlier ones have not come back."""
        if not self._room.acquire(blocking=False):
            raise Fail(f"{self.LIMIT} earlier calls of this check still hang in threads")
        future: Future[T] = Future()

        def work() -> None:
            try:
                _fulfil(future, fn, args, kwargs)
            finally:
                self._room.release()

        threading.Thread(target=work, name="healthkit-call", daemon=True).start()
        return future


def _fulfil(future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - whatever it was belongs to the one who awaits it
        future.set_exception(error)
    else:
        future.set_result(result)


def _tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio found wrong on a check's loop; never the exception's text, which may hold a secret."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        log.warning("a callback or background task of a check failed: %s", where(error))


def _close(loop: asyncio.AbstractEventLoop, pid: int) -> None:
    if os.getpid() == pid and not loop.is_running() and not loop.is_closed():
        loop.close()
