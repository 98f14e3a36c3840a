"""A timeout that `Health.add` is given bounds the probe's own steps, so that its reason comes first."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from examples.servers import RedisServer
from healthkit import Health, checks
from healthkit.checks.apscheduler import StoredJobs
from healthkit.checks.http import ThirdPartyAPI
from healthkit.checks.huey import QueueDepth as HueyDepth
from healthkit.checks.redis import RedisWrite
from healthkit.checks.rq import QueueCanary, QueueDepth, WorkerHeartbeat
from healthkit.checks.sqlalchemy import DatabaseWrite
from tests.recording import black_hole

IN_THIS_PROCESS = {"BeatHeartbeat", "SchedulerHeartbeat"}  # a file's time, a scheduler in memory: no steps


def reason(health: Health) -> str:
    [reading] = health.report().readings
    return reading.output


def test_a_locked_database_is_told_within_a_timeout_shorter_than_the_probes_own(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    health = Health("shop")
    health.add(DatabaseWrite(engine, timeout=60), timeout=4, fresh_for=0)
    assert health.report().readings[0].output == ""
    other = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    told = reason(health)

    other.close()
    engine.dispose()
    assert told.startswith("locked: "), told


@pytest.fixture(scope="module")
def hung() -> Iterator[str]:
    """A Redis that takes connections and answers nothing."""
    with RedisServer() as server:
        server.pause()
        yield server.url


@pytest.mark.parametrize(
    "make",
    [
        RedisWrite,
        lambda redis, **kw: QueueDepth("default", redis, **kw),
        lambda redis, **kw: WorkerHeartbeat("default", redis, **kw),
        lambda redis, **kw: QueueCanary("default", redis, **kw),
        StoredJobs,
    ],
    ids=["redis", "depth", "worker", "canary", "stored-jobs"],
)
def test_a_hung_redis_times_out_by_the_probe_whatever_timeout_it_was_made_with(make: Any, hung: str) -> None:
    health = Health("shop")
    health.add(make(hung, timeout=60), timeout=3)

    assert reason(health).startswith("timed out"), reason(health)


def test_a_third_party_that_hangs_times_out_by_the_probe() -> None:
    health = Health("shop")
    with black_hole() as url:
        health.add(ThirdPartyAPI("stripe", url, timeout=60), timeout=3)
        assert reason(health).startswith("timed out")


def test_a_probe_keeps_its_own_timeout_where_none_is_given() -> None:
    probe = RedisWrite("redis://127.0.0.1:1/0", timeout=7)
    assert Health("shop").add(probe).timeout == 7
    assert Health("shop").add(probe, timeout="3s").timeout == 3
    assert probe.timeout == 3


def test_every_ready_made_check_with_a_timeout_can_be_told_another() -> None:
    deaf = {
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(checks.__path__)
        for name, found in vars(importlib.import_module(f"healthkit.checks.{module.name}")).items()
        if inspect.isclass(found) and callable(found) and "__call__" in dir(found) and name[0] != "_"
        if "timeout" in inspect.signature(found.__init__).parameters
        if not hasattr(found, "within")
        if found.__module__.endswith(module.name) and name not in IN_THIS_PROCESS
    }
    assert deaf == set()
    assert hasattr(HueyDepth, "within")
