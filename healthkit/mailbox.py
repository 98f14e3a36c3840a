"""Calling a user's function with news, in a thread of its own: it may raise or hang, and harms nothing."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from healthkit.carriers import Carrier, choose
from healthkit.errors import ConfigurationError
from healthkit.forks import survive
from healthkit.outcomes import where

LIMIT = 100  # news that wait for a listener; the oldest are let go
PATIENCE = 10.0  # seconds after which a call is said to hang

log = logging.getLogger(__name__)


class Mailbox:
    """One listener and the news that wait for it: told in order, one at a time.

    There is a thread only while there is something to tell. A listener that hangs costs one thread, and no
    other listener notices.
    """

    def __init__(self, listener: Callable[..., Any], what: str) -> None:
        self._call = _adapted(listener, what)
        self._what = what
        self.reset()
        survive(self)

    def reset(self) -> None:
        """Forget what waits: it was the parent's to tell."""
        self._lock = threading.Lock()
        self._waiting: deque[Any] = deque()
        self._carrier: Carrier | None = None
        self._since: float | None = None  # monotonic seconds at which the call under way began

    def post(self, news: Any) -> None:
        """Have the listener told soon; returns at once and never raises."""
        with self._lock:
            if len(self._waiting) >= LIMIT:
                self._waiting.popleft()
            self._waiting.append(news)
            since, now = self._since, time.monotonic()
            if since is None:
                self._since = now
        if since is None:
            self._begin()
        elif now - since > PATIENCE:
            log.warning("%s has been running for %.0f s; %d news wait", self._what, now - since, self.waiting)

    @property
    def waiting(self) -> int:
        """How many news wait."""
        return len(self._waiting)

    def _begin(self) -> None:
        try:
            self._carrier = self._carrier or choose()
            self._carrier.carry(self._tell_all, lambda _: False, f"healthkit {self._what}")
        except RuntimeError:  # no thread can be started: the next news tries again
            self._since = None
            log.warning("%s could not be called: no thread can be started", self._what)

    def _tell_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._since = None
                    return
                news = self._waiting.popleft()
                self._since = time.monotonic()
            try:
                self._call(news)
            except BaseException as error:  # noqa: BLE001 - a user's code, in a thread of ours
                log.error("%s failed: %s", self._what, where(error))


def _adapted(listener: Callable[..., Any], what: str) -> Callable[[Any], Any]:
    """Return the listener as a function of the news; one that takes nothing is called with nothing."""
    if not callable(listener):
        raise ConfigurationError(f"{what}: a {type(listener).__name__} cannot be called; give a function")
    call = listener if _takes(listener, 1) else (lambda _news: listener())
    if call is not listener and not _takes(listener, 0):
        raise ConfigurationError(f"{what}: it is called with one argument, the news, or with none")
    return partial(_run_async, call) if inspect.iscoroutinefunction(listener) else call


def _takes(listener: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(listener).bind(*range(count))
    except ValueError:  # some built-ins tell nothing
        return True
    except TypeError:
        return False
    return True


def _run_async(call: Callable[[Any], Any], news: Any) -> None:
    import asyncio

    asyncio.run(call(news))
