"""A real Celery app for the tests: its broker is in `TEST_REDIS_URL`."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from celery import Celery  # type: ignore[import-untyped, unused-ignore]

from healthkit.workers.celery import install

app = Celery("shop", broker=os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:1/0"))
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    result_backend=None,
    beat_schedule={"each second": {"task": "shop.add", "schedule": 1.0, "args": (1, 2)}},
)
install(app, only=os.environ.get("TEST_ONLY", "all"))


@app.task(name="shop.add")  # type: ignore[untyped-decorator, unused-ignore]
def add(one: int, two: int) -> int:
    return one + two


@app.task(name="shop.fail")  # type: ignore[untyped-decorator, unused-ignore]
def fail() -> None:
    raise RuntimeError("as asked")


@app.task(name="shop.die")  # type: ignore[untyped-decorator, unused-ignore]
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="shop.sleep")  # type: ignore[untyped-decorator, unused-ignore]
def sleep(seconds: float) -> None:
    time.sleep(seconds)


@app.task(name="shop.flaky", bind=True)  # type: ignore[untyped-decorator, unused-ignore]
def flaky(self: Any) -> None:
    if not self.request.retries:
        raise self.retry(countdown=0.1)
