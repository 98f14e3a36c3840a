"""A real Huey for the tests: on the Redis of `TEST_REDIS_URL`, or on a SQLite file."""

from __future__ import annotations

import os
import time
from typing import Any

from huey import RedisHuey, RetryTask, SqliteHuey  # type: ignore[import-untyped, unused-ignore]

from healthkit.workers.huey import install

huey: Any = (
    RedisHuey("shop", url=os.environ["TEST_REDIS_URL"])
    if "TEST_REDIS_URL" in os.environ
    else SqliteHuey("shop", filename=os.environ.get("TEST_SQLITE", ":memory:"))
)
install(huey)


@huey.task(name="shop_add")  # type: ignore[untyped-decorator, unused-ignore]
def add(one: int, two: int) -> None:
    print(one + two, flush=True)


@huey.task(name="shop_fail")  # type: ignore[untyped-decorator, unused-ignore]
def fail() -> None:
    raise RuntimeError("as asked")


@huey.task(name="shop_flaky", retries=1)  # type: ignore[untyped-decorator, unused-ignore]
def flaky() -> None:
    raise RuntimeError("as asked")


@huey.task(name="shop_again", context=True)  # type: ignore[untyped-decorator, unused-ignore]
def again(task: Any = None) -> None:
    if "again" not in seen:
        seen.add("again")
        raise RetryTask


seen: set[str] = set()


@huey.task(name="shop_sleep")  # type: ignore[untyped-decorator, unused-ignore]
def sleep(seconds: float) -> None:
    time.sleep(seconds)
