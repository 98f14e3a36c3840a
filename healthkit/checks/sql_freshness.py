"""`RowFreshness`: a job that produces something is proven by the age of its newest row."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from healthkit.checks.sql_link import AnyEngine
from healthkit.checks.sql_probe import RENEW, AsyncCall, SQLProbe
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result
from healthkit.status import Status

Clock = Callable[[], float]

AHEAD = 300.0  # seconds a row may lie in the future before that is worth a warning
FINEST_SECONDS = 1e11  # a number from here on counts a finer unit


class RowFreshness(SQLProbe):
    """Proves that a job really produces something: the newest row is younger than `max_age`.

    `query_or_column` is a timestamp column (its maximum is taken), or a query, as text or SQLAlchemy's, whose
    first value is the newest timestamp: a datetime, a date (which counts from its midnight), epoch seconds
    (or milli-, micro-, nanoseconds), or ISO text. `timezone` is where a value without a zone was written.
    Fails when the newest is older than `max_age` or there is no row; warns from `warn_age` on, where given,
    and when the newest row lies in the future. The value is the age in seconds.
    """

    measurement = "freshness"

    def __init__(
        self, query_or_column: Any, engine: AnyEngine, *, max_age: Duration, warn_age: Duration | None = None,
        name: str = "rows", timezone: str = "UTC", timeout: Duration = 2.0, renew_every: Duration = RENEW,
        clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self.name = name
        self._query = _newest(query_or_column)
        self._max_age = seconds(max_age, what="RowFreshness max_age")
        warn = max_age if warn_age is None else warn_age
        self._warn_age = seconds(warn, what="RowFreshness warn_age")
        self._zone = _zone(timezone)
        self._clock = clock
        self._connect_to(engine, timeout, renew_every)

    def work(self, connection: sa.Connection) -> Result:
        """Read the newest timestamp and judge its age."""
        newest = connection.execute(self._query).scalar()
        if newest is None:
            reason = "no rows: the query returns nothing, so nothing was ever produced"
            return Result(status=Status.FAIL, output=reason)
        age = self._clock() - epoch(newest, self._zone)
        status, reason = self._judge(age)
        return Result(round(age if reason else max(0.0, age), 3), "s", status, reason)

    def _judge(self, age: float) -> tuple[Status, str]:
        limit = humanize(self._max_age)
        if age > self._max_age:
            return Status.FAIL, f"stale: the newest row is {humanize(age)} old (limit {limit})"
        if age > self._warn_age:
            return Status.WARN, f"aging: the newest row is {humanize(age)} old (limit {limit})"
        if age < -AHEAD:
            ahead = f"in the future: the newest row lies {humanize(-age)} ahead of this host's clock"
            return Status.WARN, ahead
        return Status.PASS, ""


class AsyncRowFreshness(AsyncCall, RowFreshness):
    """`RowFreshness` on an async engine; made by calling `RowFreshness`."""


RowFreshness._asynchronous = AsyncRowFreshness


def epoch(value: Any, zone: tzinfo = UTC) -> float:
    """Return a timestamp from a database as epoch seconds; raises `Fail` for what is none."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=zone).timestamp()
    with contextlib.suppress(TypeError, ValueError):
        number = float(value)
        if math.isfinite(number) and not isinstance(value, bool):
            return _in_seconds(number)
    raise Fail(
        f"the query's first value is a {type(value).__name__}, not a timestamp; "
        "return a datetime, a date, epoch seconds or ISO text"
    )


def _in_seconds(number: float) -> float:
    """Return epoch seconds from a number in seconds or a finer unit: as seconds it would be the year 5138."""
    while abs(number) >= FINEST_SECONDS:
        number /= 1000
    return number


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ConfigurationError(
            f'RowFreshness timezone: {name!r:.100} is not a time zone; write one such as "Europe/Berlin"'
        ) from None


def _newest(source: Any) -> Any:
    """Return the query for the newest timestamp."""
    if isinstance(source, str):
        return sa.text(source)
    element = source.__clause_element__() if hasattr(source, "__clause_element__") else source
    if isinstance(element, sa.ColumnElement):
        return sa.select(sa.func.max(element))
    if isinstance(element, sa.Executable):
        return element
    raise ConfigurationError(
        f"RowFreshness: a {type(source).__name__} is neither a column nor a query; "
        "pass a timestamp column such as Invoice.created_at, a select(), or SQL text"
    )
