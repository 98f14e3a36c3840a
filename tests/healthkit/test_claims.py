"""The homepage answers 200, and the app is broken: `/health` says so, with the component and the reason.

Each row is a claim that the app's side makes true, broken for real on a real Redis and a real database. What
the checker makes of it stands in tests/checker/test_claims.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import pytest
import redis as redis_library
import requests
from rq import Queue, Worker
from rq.utils import utcformat
from sqlalchemy import Engine, create_engine, event

from healthkit import Health
from healthkit.checks.outbound import OutboundCalls
from healthkit.checks.rq import QueueDepth, WorkerHeartbeat
from healthkit.checks.sqlalchemy import DatabaseWrite, RowFreshness
from healthkit_flask import HealthKit
from tests.recording import Answer, RecordingServer


@dataclass
class Shop:
    """A small shop with all its parts, and its checks, a line each."""

    engine: Engine
    redis: redis_library.Redis
    worker: Worker
    vendor: RecordingServer
    calls: OutboundCalls
    app: flask.Flask
    is_writable: bool = True

    def get(self, path: str) -> tuple[int, Any]:
        """Return the status of an answer, and its JSON."""
        answer = self.app.test_client().get(path)
        return answer.status_code, answer.get_json(silent=True, force=True)

    def entry(self, key: str) -> dict[str, Any]:
        """Return what the document says of a component: the worst of its parts."""
        parts = self.get("/health")[1]["checks"][key]
        return next((part for part in parts if part["status"] != "pass"), parts[0])


@pytest.fixture
def shop(redis_url: str, tmp_path: Path) -> Iterator[Shop]:
    """A shop that works."""
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    client = redis_library.Redis.from_url(redis_url)
    app = flask.Flask("shop")
    app.add_url_rule("/", view_func=lambda: "welcome")
    worker = Worker(["default"], connection=client)
    worker.register_birth()  # type: ignore[no-untyped-call]
    with RecordingServer() as vendor, OutboundCalls(min_calls=3) as calls:
        made = Shop(engine, client, worker, vendor, calls, app)
        event.listen(
            engine, "connect", lambda raw, _: raw.execute(f"PRAGMA query_only={not made.is_writable}")
        )
        sync = "SELECT CAST(strftime('%s', 'now') AS REAL) - age FROM sync"
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE sync AS SELECT 60.0 AS age")
        health = Health("shop")
        health.add(DatabaseWrite(engine), fresh_for=0)
        health.add(RowFreshness(sync, engine, max_age="26h", name="sync"), fresh_for=0)
        health.add(QueueDepth("default", client, fail=10_000), fresh_for=0)
        health.add(WorkerHeartbeat("default", client, max_silence="90s"), fresh_for=0)
        health.add(calls, fresh_for=0)
        HealthKit(app, health)
        yield made
    engine.dispose()
    client.close()


def reject_writes(shop: Shop) -> None:
    shop.is_writable = False


def stop_the_sync(shop: Shop) -> None:
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sync SET age = 4 * 86400")


def pile_up(shop: Shop) -> None:
    shop.redis.rpush("rq:queue:default", *(f"job-{n}" for n in range(10_001)))


def crash_the_worker(shop: Shop) -> None:
    shop.worker.register_death()  # type: ignore[no-untyped-call]


def freeze_the_worker(shop: Shop) -> None:
    job = Queue("default", connection=shop.redis).enqueue("time.time")
    seen = utcformat(datetime.now(UTC) - timedelta(hours=3))
    shop.redis.hset(job.key, "enqueued_at", seen)
    shop.redis.hset(shop.worker.key, "last_heartbeat", seen)


def hang_the_worker(shop: Shop) -> None:
    """Leave it alive, in a job that is an hour past its own timeout."""
    job = Queue("default", connection=shop.redis).enqueue("shop.jobs.sync", job_timeout=60)
    began = datetime.now(UTC) - timedelta(hours=1)
    shop.redis.hset(job.key, "started_at", utcformat(began))
    shop.redis.sadd(f"{shop.worker.key}:executions", f"{job.id}:1")
    shop.redis.hset(
        shop.worker.key, mapping={"state": "busy", "last_heartbeat": utcformat(datetime.now(UTC))}
    )


def break_the_vendor(shop: Shop) -> None:
    shop.vendor.default = Answer(500)
    for _ in range(4):
        requests.get(f"{shop.vendor.url}/v1/charges", timeout=10)


ROWS = [
    pytest.param(reject_writes, "database:write", "read-only: ", 503, id="A10"),
    pytest.param(stop_the_sync, "sync:freshness", "stale: ", 503, id="A3"),
    pytest.param(pile_up, "queue-default:depth", "too deep: 10,001 jobs wait", 503, id="A2-A7"),
    pytest.param(crash_the_worker, "worker-default:heartbeat", "dead: ", 503, id="A1-A5"),
    pytest.param(freeze_the_worker, "worker-default:heartbeat", ("dead: ", "frozen: "), 503, id="A12"),
    pytest.param(hang_the_worker, "worker-default:heartbeat", "stuck: ", 503, id="A6"),
    pytest.param(break_the_vendor, "outbound:errorRate", "4 of 4 calls failed", 200, id="A9"),
]


@pytest.mark.parametrize(("fault", "key", "reason", "status"), ROWS)
def test_a_fault_behind_a_homepage_that_answers_200_is_told_by_health(
    shop: Shop, fault: Callable[[Shop], None], key: str, reason: str | tuple[str, ...], status: int
) -> None:
    assert shop.get("/health")[0] == 200, shop.get("/health")
    fault(shop)

    answered, document = shop.get("/health")

    assert shop.get("/")[0] == 200
    assert answered == status
    assert document["status"] == ("fail" if status == 503 else "warn")
    found = shop.entry(key)
    assert (found["status"], found["output"].startswith(reason)) == ("fail", True), found
    others = {name for name, parts in document["checks"].items() if name != key for part in parts
              if part["status"] != "pass"}  # fmt: skip
    assert others == set(), "nothing else is blamed"


def test_a11_the_body_tells_database_queue_depth_and_when_the_worker_was_last_seen(shop: Shop) -> None:
    Queue("default", connection=shop.redis).enqueue("time.time")
    checks = shop.get("/health")[1]["checks"]

    [write], [depth], [worker] = (
        checks[key] for key in ("database:write", "queue-default:depth", "worker-default:heartbeat")
    )
    assert (write["observedUnit"], write["dialect"]) == ("ms", "sqlite")
    assert (depth["observedValue"], depth["observedUnit"]) == (1, "jobs")
    assert worker["observedUnit"] == "s"
    assert 0 <= worker["observedValue"] < 90
    with shop.engine.connect() as connection:  # it really writes
        assert connection.exec_driver_sql("SELECT max(beats) FROM healthkit_probe").scalar_one() >= 1
