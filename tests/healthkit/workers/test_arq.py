"""arq: its hooks and functions with the arguments that arq documents; arq itself wants an older redis-py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from healthkit.workers.arq import QUEUE, beating
from tests.healthkit.workers.programs import beats, body, one_run, pings, settings
from tests.recording import RecordingServer


@dataclass
class Function:
    """arq's `Function` and `CronJob`, in what matters here."""

    name: str
    coroutine: Any


class Retry(RuntimeError):
    """arq's."""


Retry.__module__ = "arq.worker"


async def add(ctx: dict[Any, Any], one: int, two: int) -> int:
    return one + two


async def fail(ctx: dict[Any, Any]) -> None:
    raise RuntimeError("as asked")


async def flaky(ctx: dict[Any, Any]) -> None:
    if ctx["job_try"] == 1:
        raise Retry("not yet")


@pytest.fixture
def given(checker: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in settings(checker.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HEALTHKIT_STATE_DIR", str(tmp_path))
    return monkeypatch


def worker_settings() -> Any:
    class WorkerSettings:
        began: list[str] = []  # noqa: RUF012 - looked at by the tests
        functions = (add, Function("failing", fail), f"{__name__}.flaky")
        cron_jobs = (Function("cron:add", add),)

        @staticmethod
        async def on_startup(ctx: dict[Any, Any]) -> None:
            ctx["startup"] = True

        @staticmethod
        async def on_shutdown(ctx: dict[Any, Any]) -> None:
            ctx["shutdown"] = True

    return beating(WorkerSettings)


@asynccontextmanager
async def running(settings: Any, redis_url: str) -> AsyncIterator[dict[Any, Any]]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        ctx: dict[Any, Any] = {"redis": client}
        await settings.on_startup(ctx)
        yield ctx
        await settings.on_shutdown(ctx)
        assert ctx["startup"]
        assert ctx["shutdown"]


def of(ctx: dict[Any, Any], job: str, job_try: int = 1) -> dict[Any, Any]:
    return ctx | {"job_id": job, "job_try": job_try}


async def until(condition: Any) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


def test_a_worker_beats_and_its_functions_tell_how_they_went(
    given: pytest.MonkeyPatch, checker: RecordingServer, redis_url: str
) -> None:
    async def main() -> None:
        settings = worker_settings()
        one, failing, retried = settings.functions
        async with running(settings, redis_url) as ctx:
            await ctx["redis"].zadd(QUEUE, {"waiting": 1})
            await until(lambda: [beat for beat in beats(checker) if beat["backlog"] == 1])
            assert await one(of(ctx, "1"), 20, 22) == 42
            with pytest.raises(RuntimeError, match="as asked"):
                await failing.coroutine(of(ctx, "2"))
            with pytest.raises(Retry):
                await retried(of(ctx, "3"))
            await retried(of(ctx, "3", 2))
            assert await settings.cron_jobs[0].coroutine(of(ctx, "4"), 1, 2) == 3
            await until(lambda: beats(checker)[-1]["processed"] == 4)
            assert beats(checker)[-1] == {"processed": 4, "failed": 1, "backlog": 1}
            await until(lambda: pings(checker, "cron-add") == ["/start", ""])

    asyncio.run(main())
    assert pings(checker, "add") == ["/start", ""]
    assert one_run(checker, "add")
    assert pings(checker, "failing") == ["/start", "/fail"]
    assert "RuntimeError: as asked" in body(checker, "failing/fail")
    assert pings(checker, "flaky") == ["/start", "/log", "/start", ""]
    assert checker.paths()[-1] == "/ping/key/worker/log"


def test_names_are_those_that_arq_gives_functions() -> None:
    settings = worker_settings()
    assert settings.functions[0].__qualname__ == "add"
    assert settings.functions[1].name == "failing"


def test_a_checker_in_trouble_changes_nothing_for_the_jobs(
    trouble: str, given: pytest.MonkeyPatch, redis_url: str
) -> None:
    async def main() -> None:
        worker = worker_settings()
        async with running(worker, redis_url) as ctx:
            for number in range(20):
                assert await worker.functions[0](of(ctx, str(number)), number, 1) == number + 1

    for name, value in settings(trouble).items():
        given.setenv(name, value)
    asyncio.run(main())
