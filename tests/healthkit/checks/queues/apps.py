"""The apps whose workers the tests run: each on the broker that the environment names, with the same jobs."""

from __future__ import annotations

import os
import time
from importlib import import_module
from pathlib import Path
from typing import Any

URL = "HEALTHKIT_TEST_QUEUE_URL"


def wait_for_file(path: str) -> None:
    """Hang until the file is there."""
    while not Path(path).exists():
        time.sleep(0.02)


def quick() -> None:
    """Do nothing much."""


def hang(path: str) -> None:
    """Hang until the gate is there."""
    wait_for_file(path)


def celery_app(url: str) -> Any:
    """Return a Celery app with the two jobs."""
    app = import_module("celery").Celery("shop", broker=url)
    app.conf.update(
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 3600},
        beat_schedule={"tick": {"task": "shop.quick", "schedule": 0.2}},
        beat_sync_every=1,
    )
    app.task(name="shop.quick")(quick)
    app.task(name="shop.hang")(hang)
    return app


def dramatiq_broker(url: str) -> Any:
    """Return a Dramatiq broker with the two jobs."""
    dramatiq = import_module("dramatiq")
    broker = import_module("dramatiq.brokers.redis").RedisBroker(url=url)
    for job in (quick, hang):
        dramatiq.actor(broker=broker, actor_name=job.__name__)(job)
    return broker


def huey_app(where: str) -> Any:
    """Return a Huey, on Redis for a URL, on SQLite for a path, with the two jobs."""
    library = import_module("huey")
    scheme, url = where.partition(":")[0], where.removeprefix("priority+")
    if scheme == "redis":
        huey = library.RedisHuey("shop", url=url)
    elif scheme == "priority+redis":
        huey = library.PriorityRedisHuey("shop", url=url)
    else:
        huey = library.SqliteHuey("shop", filename=where)
    huey.jobs = {job.__name__: huey.task()(job) for job in (quick, hang)}
    return huey


if url := os.environ.get(URL):  # in a worker's process
    which = os.environ["HEALTHKIT_TEST_QUEUE_KIND"]
    if which == "celery":
        app = celery_app(url)
    elif which == "dramatiq":
        broker = dramatiq_broker(url)
    else:
        huey = huey_app(url)
