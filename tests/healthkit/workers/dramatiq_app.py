"""Real Dramatiq actors for the tests: their broker is in `TEST_REDIS_URL`."""

from __future__ import annotations

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from healthkit.workers.dramatiq import Heartbeats

broker = RedisBroker(url=os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:1/0"))  # type: ignore[no-untyped-call]
broker.add_middleware(Heartbeats())
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="shop.add")
def add(one: int, two: int) -> None:
    print(one + two, flush=True)


@dramatiq.actor(actor_name="shop.fail", max_retries=1, min_backoff=100, max_backoff=100)
def fail() -> None:
    raise RuntimeError("as asked")


@dramatiq.actor(actor_name="shop.sleep")
def sleep(seconds: float) -> None:
    time.sleep(seconds)
