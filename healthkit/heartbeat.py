"""`Heartbeat`: tells the checker when a job starts, gets on, ends or breaks, and never hurts the job itself.

Pings leave in the background (`healthkit.transport`). Whatever goes wrong with them is logged, never raised.
"""

from __future__ import annotations

import functools
import logging
import math
import time
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from healthkit import pings, transport
from healthkit.errors import ConfigurationError
from healthkit.exchange import prepare
from healthkit.pings import MAX_OUTPUT, Ping

if TYPE_CHECKING:
    from healthkit.durations import Duration

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
Clock = Callable[[], float]
Submit = Callable[[Ping], None]

FRAMES = 20  # of a traceback, the innermost
# What making a ping may raise. Not `Exception`: workers end a job that takes too long by raising one from a
# signal handler, and that may happen here as anywhere in the job.
OURS = (AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


class Heartbeat:
    """The sign of life of one job, at its ping URL; None or an empty URL makes one that does nothing.

    With `schedule` (cron), `every` or `oncalendar`, and `timezone`, `grace`, `max_runtime`, `min_runtime`,
    `tags` and `channels`, a URL of key and name makes the monitor and keeps it as it is told here, unless
    the checker's configuration has it.
    `tail` bounds the text sent along (bytes, its end is kept). Raises `ConfigurationError` for a URL that
    cannot be one; after that nothing here raises, waits or changes what the job does.
    """

    def __init__(
        self,
        url: str | None,
        *,
        schedule: str | None = None,
        every: Duration | None = None,
        oncalendar: str | None = None,
        timezone: str | None = None,
        grace: Duration | None = None,
        max_runtime: Duration | None = None,
        min_runtime: Duration | None = None,
        tags: Sequence[str] = (),
        channels: Sequence[str] = (),
        tail: int = MAX_OUTPUT,
        clock: Clock = time.time,
        submit: Submit = transport.submit,
    ) -> None:
        disabled = url is None or (isinstance(url, str) and not url.strip())
        told = {
            "schedule": schedule,
            "every": every,
            "oncalendar": oncalendar,
            "timezone": timezone,
            "grace": grace,
            "max_runtime": max_runtime,
            "min_runtime": min_runtime,
            "tags": tuple(tags),
            "channels": tuple(channels),
        }
        self._target = None if disabled else pings.target(_announcing(url, told), what="Heartbeat URL")
        self._tail = tail
        self._clock = clock
        self._submit = submit
        if self._target is not None:
            prepare(self._target.origin)

    @property
    def enabled(self) -> bool:
        """Whether there is a URL to ping."""
        return self._target is not None

    def __repr__(self) -> str:
        return f"Heartbeat({self._target.shown!r})" if self._target else "Heartbeat(None)"

    def job(self, function: F) -> F:
        """Decorate a function, sync or async: each call is a run, with its start, its end and its error.

        Raises `ConfigurationError` for a generator, whose body runs outside of the call.
        """
        import inspect  # slow to import, and only decorators need it

        bare = _unwrapped(function)
        if inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare):
            raise ConfigurationError(
                f"Heartbeat.job: {_named(bare)} is a generator, and calling it runs nothing yet; decorate "
                "the function that consumes it, or write `with heartbeat.run():` inside it"
            )
        if inspect.iscoroutinefunction(bare):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self.run():
                    return await function(*args, **kwargs)

            return cast("F", run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.run():
                return function(*args, **kwargs)

        return cast("F", run)

    def run(self) -> Run:
        """Return a run, to be used as `with heartbeat.run() as run:` (or `async with`)."""
        return Run(self, pings.new_rid())

    def ping(
        self,
        text: str = "",
        *,
        processed: float | None = None,
        backlog: float | None = None,
        rid: str = "",
    ) -> None:
        """Say that all is well; `processed` and `backlog` let the checker tell stalled from idle."""
        self.send("", text, figures=_figures(processed, backlog), rid=rid)

    def start(self, text: str = "", *, rid: str = "") -> None:
        """Say that a run starts; the same `rid` (a uuid) with its end gives its duration."""
        self.send("/start", text, rid=rid)

    def fail(self, text: str = "", *, rid: str = "") -> None:
        """Say that it failed, and why."""
        self.send("/fail", text, rid=rid)

    def log(self, text: str, *, rid: str = "") -> None:
        """Leave a note that changes nothing."""
        self.send("/log", text, rid=rid)

    def exit(self, code: int, text: str = "", *, rid: str = "") -> None:
        """Say how it ended: 0 is success, everything else failure; only its lowest eight bits are sent."""
        self.send(f"/{code & 0xFF or 1}" if code else "", text, rid=rid)

    def send(
        self,
        suffix: str,
        text: str = "",
        *,
        figures: dict[str, Any] | None = None,
        rid: str = "",
        fleeting: bool = False,
    ) -> None:
        """Send a ping with any suffix of the protocol; the methods above are made of this one."""
        if self._target is None:
            return
        try:
            output = pings.tail(str(text), self._tail) if text else ""
            self._submit(Ping(self._target, suffix, self._clock(), rid, output, figures or {}, fleeting))
        except TimeoutError:  # likewise: nothing here waits
            raise
        except OURS:  # the job comes first
            log.warning("a ping could not be made", exc_info=True)

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait `timeout` seconds at most until all pings of this process are delivered; return whether they
        are.
        """
        return transport.flush(timeout)


class Run:
    """One run of a job, from `/start` to its end, under one run id."""

    def __init__(self, heartbeat: Heartbeat, rid: str) -> None:
        self.rid = rid
        self._heartbeat = heartbeat
        self._figures: dict[str, Any] = {}
        self._ended = False

    def progress(self, processed: float | None = None, backlog: float | None = None) -> None:
        """Tell how far the work has come: the latest figures, sent at most once a second."""
        if self._ended:
            return
        self._figures.update(_figures(processed, backlog))
        if self._figures:
            self._heartbeat.send("/log", figures=dict(self._figures), rid=self.rid, fleeting=True)

    def log(self, text: str) -> None:
        """Leave a note on this run."""
        self._heartbeat.log(text, rid=self.rid)

    def __enter__(self) -> Self:
        self._heartbeat.start(rid=self.rid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        try:
            suffix, text = outcome(error)
        except OURS:  # an exception that cannot even be shown is still one
            suffix, text = "/fail", type(error).__name__
        self._heartbeat.send(suffix, text, figures=self._figures, rid=self.rid)
        if self._heartbeat.enabled and transport.leaves_abruptly():
            transport.leave()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def outcome(error: BaseException | None) -> tuple[str, str]:
    """Return the ping (its suffix and text) that an ending deserves; a `SystemExit` counts by its code."""
    if error is None:
        return "", ""
    if isinstance(error, SystemExit):
        if error.code is None or error.code == 0:
            return "", ""
        if isinstance(error.code, int):
            return f"/{error.code & 0xFF or 1}", ""
        return "/1", str(error.code)
    return "/fail", "".join(traceback.format_exception(error, limit=-FRAMES))


def _announcing(url: object, told: dict[str, Any]) -> object:
    """Return the URL with what is told of the job; the usual one, which tells nothing, costs no import."""
    if not isinstance(url, str) or not any(value is not None and value != () for value in told.values()):
        return url
    from healthkit import announcing

    return announcing.job_url(url, told)


def _figures(processed: float | None, backlog: float | None) -> dict[str, Any]:
    figures = {}
    for name, value in (("processed", processed), ("backlog", backlog)):
        if value is None:
            continue
        if isinstance(value, int | float) and math.isfinite(value):
            figures[name] = value
        else:
            log.warning("progress: %s=%r is not a finite number and was left out", name, value)
    return figures


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    if not isinstance(function, type) and not hasattr(function, "__name__"):  # an object that can be called
        return function.__call__  # type: ignore[operator, no-any-return]
    return function


def _named(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
