"""What is particular to lists, streams and tables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine

from healthkit.checks.redis_lines import ListLine
from healthkit.checks.redis_queues import RedisList, RedisStream
from healthkit.checks.table_queue import TableQueue
from healthkit.errors import ConfigurationError
from healthkit.health import Health
from tests.healthkit.checks.support import Watched


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    """The app's client."""
    with redis_library.Redis.from_url(redis_url) as made:
        yield made


@pytest.mark.parametrize("pushed", ["left", "right"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_what_came_in_is_counted_to_the_one_while_something_stays(
    client: Any, pushed: str, steps: list[tuple[int, int]]
) -> None:
    client.delete("line")
    push, pop = (client.lpush, client.rpop) if pushed == "left" else (client.rpush, client.lpop)
    line, number, sure = ListLine("line", pushed=pushed), 0, 0
    push("line", "first")
    line.look(client)
    for took, came in steps:
        for _ in range(took):
            pop("line")
        is_known = client.llen("line") > 0
        for number in range(number + 1, number + came + 1):  # noqa: B020 - goes on counting
            push("line", f"job {number}")
        before = line._added
        seen = line.look(client)
        sure = seen.added - before
        assert seen.length == client.llen("line")
        assert sure == came if is_known or not took else sure >= 0


def test_a_list_of_another_type_and_an_end_that_there_is_not_are_told(client: Any, redis_url: str) -> None:
    client.set("emails", "text")
    assert Watched(RedisList("emails", redis_url)).reason() == (
        "wrong type: a key of the queue holds something else"
    )
    with pytest.raises(ConfigurationError, match='must be "left" or "right"'):
        RedisList("emails", redis_url, pushed="top")


def test_a_stream_that_is_not_there_and_one_without_the_group_fail(client: Any, redis_url: str) -> None:
    watched = Watched(RedisStream("orders", redis_url, group="billing"))
    assert watched.reason() == "missing: there is no stream orders"
    client.xadd("orders", {"job": "1"})
    assert watched.reason() == "missing: the stream orders has no consumer group billing"
    client.xgroup_create("orders", "billing", id="0")
    assert watched().value == 1


def test_an_entry_delivered_and_not_acknowledged_is_stuck(client: Any, redis_url: str) -> None:
    watched = Watched(RedisStream("orders", redis_url, group="billing", max_idle=0.05))
    client.xgroup_create("orders", "billing", mkstream=True)
    client.xadd("orders", {"job": "1"})
    client.xreadgroup("billing", "one", {"orders": ">"})
    entry = client.xpending_range("orders", "billing", "-", "+", 1)[0]["message_id"]
    assert watched().details["pending"] == 1
    client.xclaim("orders", "billing", "one", 0, [entry], idle=60_000)
    assert watched.reason() == "stuck: the consumer one has held an entry for 1 min (limit 0.05 s)"
    client.xack("orders", "billing", entry)
    assert watched.passes()


def make_outbox(engine: sa.Engine) -> None:
    """Create a table with three rows, of which two wait."""
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE outbox (id integer, sent boolean, created_at timestamp with time zone)")
        )
        for number, sent, age in ((1, True, 900), (2, False, 120), (3, False, 60)):
            statement = f"INSERT INTO outbox VALUES ({number}, {sent}, now() - interval '{age} s')"
            connection.execute(sa.text(statement))


@pytest.fixture
def outbox(postgres_url: str) -> str:
    """A database with the table."""
    engine = sa.create_engine(postgres_url)
    make_outbox(engine)
    engine.dispose()
    return postgres_url


TABLE = sa.table("outbox", sa.column("sent"), sa.column("created_at"))


@pytest.mark.parametrize(("source", "options"), [
    ("outbox", {"ready": "NOT sent", "age": "created_at"}),
    ("public.outbox", {"ready": "NOT sent", "age": "created_at"}),
    (TABLE, {"ready": TABLE.c.sent.is_(False), "age": TABLE.c.created_at}),
    ("SELECT count(*), min(created_at) FROM outbox WHERE NOT sent", {"name": "queue-outbox"}),
])  # fmt: skip
def test_a_table_is_counted_by_name_by_object_and_by_query(
    outbox: str, source: Any, options: dict[str, Any]
) -> None:
    engine = sa.create_engine(outbox)
    watched = Watched(TableQueue(engine, source, max_age="90s", **options))
    reading = watched()
    assert reading.check.key == "queue-outbox:depth"
    assert reading.value == 2
    assert reading.details["oldest_age"] == pytest.approx(120, abs=10)
    assert reading.output.startswith("too old: the oldest job has waited 2 min")
    watched.probe.close()
    engine.dispose()


def test_a_table_is_read_over_an_async_engine_too(outbox: str) -> None:
    engine = create_async_engine(outbox.replace("+psycopg", "+asyncpg"))
    health = Health("test")
    probe = TableQueue(engine, "outbox", ready="NOT sent", age="created_at", fail=2)
    health.add(probe, fresh_for=0)
    [reading] = asyncio.run(health.report_async()).readings
    assert reading.output.startswith("too deep: 2 jobs wait (limit 2); the oldest has waited 2 min")
    probe.close()


def test_a_dropped_table_is_told(tmp_path: Path) -> None:
    watched = Watched(TableQueue(f"sqlite:///{tmp_path}/none.db", "outbox"))
    assert watched.reason() == "missing table: the table does not exist"


def test_limits_that_cannot_be_judged_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(ConfigurationError, match="max_age cannot be judged: there is no age"):
        TableQueue(url, "outbox", max_age="5m")
    with pytest.raises(ConfigurationError, match="give one: name="):
        TableQueue(url, "SELECT 1")
    with pytest.raises(ConfigurationError, match="leave both out"):
        TableQueue(url, "SELECT 1", age="x", name="q")
    watched = Watched(TableQueue(url, "SELECT 1", max_age="5m", name="q", clock=time.time))
    assert watched.reason().startswith("misconfigured: the query returns no second column")
