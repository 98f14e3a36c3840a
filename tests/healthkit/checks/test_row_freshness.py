"""`RowFreshness`: the newest row is judged by its age, on SQLite and PostgreSQL, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from healthkit.checks.sql_freshness import epoch
from healthkit.checks.sqlalchemy import RowFreshness
from healthkit.errors import ConfigurationError, Fail
from healthkit.status import Status
from tests.healthkit.checks.support import Watched

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


class Base(DeclarativeBase):
    """The app's models."""


class Invoice(Base):
    """What the nightly job makes."""

    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """The app's engine, with the table of invoices."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/app.db" if is_sqlite else request.getfixturevalue("postgres_url")
    made = sa.create_engine(url)
    Base.metadata.create_all(made)
    yield made
    made.dispose()


def add_invoice(engine: sa.Engine, moment: float) -> None:
    """Do what the nightly job does."""
    with engine.begin() as connection:
        connection.execute(sa.insert(Invoice).values(created_at=datetime.fromtimestamp(moment, UTC)))


@pytest.fixture
def watch(engine: sa.Engine) -> Iterator[Any]:
    """Register a check on that engine, with a fixed clock; closed at the end."""
    made: list[RowFreshness] = []

    def register(source: Any = Invoice.created_at, **options: Any) -> Watched:
        settings = {"max_age": "26h", "name": "invoices", "clock": lambda: NOON, **options}
        made.append(RowFreshness(source, engine, **settings))
        return Watched(made[-1])

    yield register
    for probe in made:
        probe.close()


def test_a_young_row_passes_with_its_age(watch: Any, engine: sa.Engine) -> None:
    add_invoice(engine, NOON - 50 * HOUR)
    add_invoice(engine, NOON - 10 * HOUR)
    reading = watch()()
    assert reading.status is Status.PASS
    assert (reading.check.key, reading.value, reading.unit) == ("invoices:freshness", 10 * HOUR, "s")


def test_an_old_row_fails_until_a_new_one_is_there(watch: Any, engine: sa.Engine) -> None:
    add_invoice(engine, NOON - 30 * HOUR)
    watched = watch()
    assert watched.reason() == "stale: the newest row is 1 d 6 h old (limit 1 d 2 h)"
    add_invoice(engine, NOON)
    assert watched.passes()


def test_no_row_at_all_fails(watch: Any) -> None:
    assert watch().reason() == "no rows: the query returns nothing, so nothing was ever produced"


def test_a_warning_may_come_before_the_failure(watch: Any, engine: sa.Engine) -> None:
    add_invoice(engine, NOON - 25 * HOUR)
    reading = watch(warn_age="24h")()
    assert reading.status is Status.WARN
    assert reading.output == "aging: the newest row is 1 d 1 h old (limit 1 d 2 h)"


def test_a_row_in_the_future_warns_because_it_would_hide_a_halt(watch: Any, engine: sa.Engine) -> None:
    add_invoice(engine, NOON + 48 * HOUR)
    reading = watch()()
    assert reading.status is Status.WARN
    assert reading.output == "in the future: the newest row lies 2 d ahead of this host's clock"


@pytest.mark.parametrize("source", [
    "SELECT max(created_at) FROM invoices",
    sa.select(sa.func.max(Invoice.created_at)),
    Invoice.__table__.c.created_at,
    sa.select(Invoice.created_at).order_by(Invoice.created_at.desc()).limit(1),
])  # fmt: skip
def test_the_source_may_be_text_a_query_or_a_column(watch: Any, engine: sa.Engine, source: Any) -> None:
    add_invoice(engine, NOON - HOUR)
    assert watch(source)().value == HOUR


def test_a_missing_table_is_told(watch: Any) -> None:
    assert watch("SELECT max(at) FROM nowhere").reason() == "missing table: the table does not exist"


def test_a_value_that_is_no_timestamp_is_told(watch: Any) -> None:
    reason = watch("SELECT 'tomorrow'").reason()
    assert reason.startswith("the query's first value is a str, not a timestamp; return a datetime")


def test_an_async_engine_makes_an_async_check(postgres_url: str) -> None:
    engine = create_async_engine(make_url(postgres_url).set(drivername="postgresql+asyncpg"))
    moment = datetime.fromtimestamp(NOON - HOUR, UTC).isoformat()
    query = f"SELECT TIMESTAMPTZ '{moment}'"
    watched = Watched(RowFreshness(query, engine, max_age="2h", clock=lambda: NOON))
    assert watched.check.is_async
    assert watched().value == HOUR
    watched.probe.close()
    asyncio.run(engine.dispose())


@pytest.mark.parametrize(("value", "expected"), [
    (datetime(2026, 3, 1, 12, tzinfo=UTC), NOON),
    (datetime(2026, 3, 1, 12), NOON),  # noqa: DTZ001 - a database without zones gives such
    ("2026-03-01T12:00:00Z", NOON),
    ("2026-03-01 13:00:00+01:00", NOON),
    (date(2026, 3, 1), NOON - 12 * HOUR),
    (NOON, NOON),
    (int(NOON), NOON),
    (Decimal(int(NOON)), NOON),
    (str(NOON), NOON),
    (int(NOON * 1000), NOON),
    (int(NOON * 1e6), NOON),
    (int(NOON * 1e9), NOON),
])  # fmt: skip
def test_many_shapes_of_a_timestamp_are_understood(value: Any, expected: float) -> None:
    assert epoch(value) == expected


@pytest.mark.parametrize("value", ["soon", b"\xff", object(), float("nan"), float("-inf"), "nan", True])
def test_what_is_no_timestamp_is_refused(value: Any) -> None:
    with pytest.raises(Fail, match="not a timestamp"):
        epoch(value)


def test_a_value_without_a_zone_was_written_in_the_zone_that_is_named(watch: Any) -> None:
    local = "SELECT '2026-03-01 12:30:00'"  # in Berlin half an hour before noon in UTC
    assert watch(local, timezone="Europe/Berlin")().value == HOUR / 2
    assert watch("SELECT '2026-03-01T11:30:00+00:00'", timezone="Europe/Berlin")().value == HOUR / 2


@pytest.mark.parametrize("zone", ["Berlin/Europe", "", "../etc/passwd", 42])
def test_a_zone_that_is_none_is_refused_at_start(zone: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a time zone"):
        RowFreshness("SELECT 1", "sqlite://", max_age=1, timezone=zone)


def test_a_stale_row_costs_no_new_connection_at_each_run(postgres_url: str) -> None:
    probe = RowFreshness("SELECT 0", postgres_url, max_age=1)
    assert [probe().status for _ in range(2)] == [Status.FAIL] * 2
    first = probe._link._raw
    probe()
    assert probe._link._raw is first
    probe.close()


@pytest.mark.parametrize("source", [None, 42, object()])
def test_what_is_neither_column_nor_query_is_refused_at_start(source: Any) -> None:
    with pytest.raises(ConfigurationError, match="neither a column nor a query"):
        RowFreshness(source, "sqlite://", max_age=1)
