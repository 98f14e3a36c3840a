"""arq workers and jobs that tell the checker how they are.

    @beating  # HEALTHKIT_PING_URL: the worker; HEALTHKIT_JOBS_URL: every function
    class WorkerSettings:
        functions = [...]

A worker beats from its own event loop, so a beat says that the loop turns. arq itself is not imported.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from healthkit import transport
from healthkit.durations import Duration
from healthkit.workers._watch import TICK, Watch, watch_from

log = logging.getLogger(__name__)

S = TypeVar("S", bound=type)

TASK = "healthkit_beat"  # of arq's `ctx`
QUEUE = "arq:queue"  # arq's own default


@overload
def beating(settings: S) -> S: ...


@overload
def beating(
    settings: None = None,
    *,
    url: str | None = None,
    every: Duration | None = None,
    functions: Mapping[str, str] | None = None,
    functions_url: str | None = None,
) -> Callable[[S], S]: ...


def beating(
    settings: Any = None,
    *,
    url: str | None = None,
    every: Duration | None = None,
    functions: Mapping[str, str] | None = None,
    functions_url: str | None = None,
) -> Any:
    """Decorate a `WorkerSettings`: its worker beats at `url`, and its functions tell their runs: those in
    `functions` (name -> ping URL) there, others below `functions_url` (such as
    `https://checker.example/ping/<key>`).

    What is not given comes from `HEALTHKIT_PING_URL`, `HEALTHKIT_PING_EVERY` and `HEALTHKIT_JOBS_URL`. A
    wrong URL is logged, and raises nothing.
    """

    def decorate(settings: S) -> S:
        watch = watch_from(url=url, every=every, jobs=functions, jobs_url=functions_url)
        for listed in ("functions", "cron_jobs"):
            if found := getattr(settings, listed, None):
                setattr(settings, listed, [_watched(one, watch) for one in found])
        _hook(settings, watch)
        return settings

    return decorate if settings is None else decorate(settings)


def _watched(given: Any, watch: Watch) -> Any:
    """Return a function, or arq's `Function` or `CronJob` around one, whose runs are told."""
    if isinstance(given, str):  # where to import it from
        import importlib

        module, _, name = given.rpartition(".")
        given = getattr(importlib.import_module(module), name)
    if not hasattr(given, "coroutine"):
        return _telling(given, given.__qualname__, watch)
    found = copy.copy(given)
    found.coroutine = _telling(given.coroutine, given.name, watch)
    return found


def _telling(function: Callable[..., Any], name: str, watch: Watch) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
        job = f"{ctx.get('job_id')} {ctx.get('job_try')}"
        watch.jobs.began(name, job)
        try:
            result = await function(ctx, *args, **kwargs)
        except BaseException as error:
            _failed(watch, name, job, error)
            raise
        watch.jobs.ended(name, job)
        return result

    return run


def _failed(watch: Watch, name: str, job: str, error: BaseException) -> None:
    """Tell of a failure; after arq's own `Retry` it runs the job again."""
    kind = type(error)
    if kind.__module__.partition(".")[0] == "arq" and kind.__name__ in ("Retry", "RetryJob"):
        watch.jobs.postponed(name, job, error)
    else:
        watch.jobs.ended(name, job, error)


async def _beat(watch: Watch, redis: Any, queue: str) -> None:
    while True:
        if redis is not None:
            watch.known = await _waiting(redis, queue)
        watch.turned()
        await asyncio.sleep(TICK)


async def _waiting(redis: Any, queue: str) -> dict[str, Any]:
    """Return how many jobs are due and not done; arq keeps them by the time (ms) they are to run at."""
    try:
        due = redis.zcount(queue, "-inf", int(time.time() * 1000))
        return {"backlog": await asyncio.wait_for(due, TICK)}
    except Exception as error:  # noqa: BLE001 - whatever the client raises; the loop turns all the same
        log.debug("the backlog cannot be read: %s", type(error).__name__)
        return {}


def _hook(settings: Any, watch: Watch) -> None:
    startup, shutdown = (getattr(settings, name, None) for name in ("on_startup", "on_shutdown"))
    queue = getattr(settings, "queue_name", None) or QUEUE

    async def on_startup(ctx: dict[Any, Any]) -> None:
        if startup is not None:
            await startup(ctx)
        if watch.beats is not None:
            ctx[TASK] = asyncio.create_task(_beat(watch, ctx.get("redis"), queue))

    async def on_shutdown(ctx: dict[Any, Any]) -> None:
        if task := ctx.pop(TASK, None):
            task.cancel()
            watch.farewell("arq worker")
        if shutdown is not None:
            await shutdown(ctx)
        await asyncio.get_running_loop().run_in_executor(None, transport.leave)

    settings.on_startup, settings.on_shutdown = staticmethod(on_startup), staticmethod(on_shutdown)
