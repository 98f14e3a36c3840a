"""The rows of a query, read over a probe's own connection, for checks that judge them themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from healthkit.checks.sql_link import AnyEngine
from healthkit.checks.sql_probe import RENEW, SQLProbe
from healthkit.durations import Duration
from healthkit.errors import ConfigurationError
from healthkit.model import Result

MOST = 1_000


class Rows(SQLProbe):
    """The first rows of a query, in `found` after each `run`; on a sync engine or URL."""

    measurement = "rows"

    def __init__(self, engine: AnyEngine, query: str, *, timeout: Duration = 2.0) -> None:
        self.name = "rows"
        self._query = sa.text(query)
        self.found: Sequence[Any] = ()
        self._connect_to(engine, timeout, RENEW)
        if self._engine.dialect.is_async:
            raise ConfigurationError("engine: this check reads over a sync engine; pass one, or a sync URL")

    def work(self, connection: sa.Connection) -> Result:
        """Read the rows."""
        self.found = connection.execute(self._query).fetchmany(MOST)
        return Result()
