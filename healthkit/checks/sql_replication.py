"""`ReplicationLag`: a standby keeps up with its primary, or a primary's standbys keep up with it.

Sources: PostgreSQL's chapters on monitoring (pg_stat_replication, pg_stat_wal_receiver) and on recovery
functions; SHOW REPLICA STATUS in MySQL's and MariaDB's manuals.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from healthkit.checks.sql_link import AnyEngine
from healthkit.checks.sql_probe import RENEW, AsyncCall, SQLProbe
from healthkit.checks.sql_trail import Trail
from healthkit.checks.thresholds import over
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result
from healthkit.status import Status, worst

Clock = Callable[[], float]
Row = sa.RowMapping

LOOKS, NAP = 4, 0.05  # more looks at a follower that is behind, and seconds before each
NOT_SEEN = (
    "permission denied: this user may not see how far the standbys are; run GRANT pg_monitor TO it once"
)


class ReplicationLag(SQLProbe):
    """Proves that replication keeps up: no follower is `warn` or `fail` behind.

    On a standby or replica it tells how far that one is behind; on a PostgreSQL primary, how far each of its
    standbys is, and it fails when fewer than `standbys` are connected. A primary to which nobody writes makes
    no lag. One that receives nothing from its primary is at least a warning, whatever its lag was. `engine`
    is as for `DatabaseWrite`. The value is the lag in seconds, to within the time between two runs.
    """

    measurement = "lag"

    def __init__(
        self, engine: AnyEngine, *, warn: Duration = "30s", fail: Duration = "5m", standbys: int = 1,
        name: str = "replication", timeout: Duration = 2.0, renew_every: Duration = RENEW,
        monotonic: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        self.name = name
        self._warn = seconds(warn, what="ReplicationLag warn")
        self._fail = seconds(fail, what="ReplicationLag fail")
        if isinstance(standbys, bool) or not isinstance(standbys, int) or standbys < 0:
            raise ConfigurationError(
                f"ReplicationLag standbys: {standbys!r:.100} is not a count; give 0 or more"
            )
        self._least = standbys
        self._monotonic = monotonic
        self._trails: dict[str, Trail] = {}
        self._heard: dict[str, float] = {}  # when each was last seen connected
        self._connect_to(engine, timeout, renew_every)
        if self._engine.dialect.name not in ("postgresql", "mysql", "mariadb"):
            raise ConfigurationError(
                f"ReplicationLag: {self._engine.dialect.name} has no replication that could be asked; "
                "it works on PostgreSQL, MySQL and MariaDB"
            )

    def run(self) -> Any:
        """Ask once; returns a result for each follower, with the role of the server that was asked."""
        found: Any = super().run()
        parts = [replace(part, details=self.details()) for part in found]
        return parts if len(parts) > 1 or parts[0].component_id else parts[0]

    def work(self, connection: sa.Connection) -> Any:
        """Judge the server's own lag, or that of its standbys."""
        if connection.dialect.name != "postgresql":
            return self._of_replica(connection)
        return [self._of_standby(connection)] if self._standby else self._of_primary(connection)

    def _of_standby(self, connection: sa.Connection) -> Result:
        look = _one(connection, _STANDBY)
        if not look["streaming"]:
            return self._unconnected("", "not streaming", "the standby", look["since"])
        first = self._leader(look)
        for _ in range(LOOKS):
            if look["replayed"] >= first:
                break
            connection.execute(_SLEEP, {"nap": min(NAP, self.timeout / 20)})
            look = _one(connection, _STANDBY)
        return self._standbys_lag(look, is_caught_up=look["replayed"] >= first)

    def _standbys_lag(self, look: Row, *, is_caught_up: bool) -> Result:
        now = self._monotonic()
        self._heard[""] = now
        least, most = self._behind("", self._leader(look), look["replayed"], now)
        lag = 0.0 if is_caught_up else min(max(look["since"] or 0.0, least), most)
        if look["paused"]:
            return self._judged(lag, "", "replay is paused on the standby", at_least=Status.WARN)
        return self._judged(lag, "", "the standby replays what it receives")

    @staticmethod
    def _leader(look: Row) -> int:
        return max(int(look["received"] or 0), int(look["replayed"]))

    def _of_primary(self, connection: sa.Connection) -> list[Result]:
        rows, written = self._standbys(connection)
        for _ in range(LOOKS):
            if all(row["replayed"] >= written for row in rows):
                break
            connection.execute(_SLEEP, {"nap": min(NAP, self.timeout / 20)})
            rows, _ = self._standbys(connection)
        now = self._monotonic()
        parts = [self._standby_of(row, name, written, now) for name, row in _named(rows).items()]
        if len(rows) < self._least:
            reason = f"missing standby: {len(rows)} of {self._least} are connected"
            parts.append(Result(len(rows), None, Status.FAIL, reason, component_id="standbys"))
        return parts or [Result(0.0, "s")]

    def _standby_of(self, row: Row, name: str, written: int, now: float) -> Result:
        least, most = self._behind(name, written, row["replayed"], now)
        told = max(row["lag"] or 0.0, row["silent"] or 0.0)  # its own figure stands still when it freezes
        lag = 0.0 if row["replayed"] >= written else min(max(told, least), most)
        return self._judged(lag, name, "the standby has not confirmed what the primary wrote")

    def _standbys(self, connection: sa.Connection) -> tuple[Sequence[Row], int]:
        rows = connection.execute(_PRIMARY).mappings().all()
        if any(row["replayed"] is None for row in rows):
            raise Fail(NOT_SEEN, **self.details())
        return rows, int(connection.execute(_WRITTEN).scalar_one())

    def _of_replica(self, connection: sa.Connection) -> list[Result]:
        is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        query = "SHOW ALL SLAVES STATUS" if is_mariadb else "SHOW REPLICA STATUS"
        rows = connection.exec_driver_sql(query).mappings().all()
        if not rows:
            raise Fail("not a replica: this server follows no other; ask the replicas themselves")
        return [self._channel(row, self._monotonic()) for row in rows]

    def _channel(self, row: Row, now: float) -> Result:
        name = str(_either(row, "Channel_Name", "Connection_name") or "")
        if _either(row, "Replica_SQL_Running", "Slave_SQL_Running") != "Yes":
            reason = f"replication stopped: the replica applies nothing{_number(row, 'Last_SQL_Errno')}"
            return Result(None, None, Status.FAIL, reason, component_id=name or None)
        if _either(row, "Replica_IO_Running", "Slave_IO_Running") != "Yes":
            return self._unconnected(
                name, f"not connected{_number(row, 'Last_IO_Errno')}", "the replica", None
            )
        self._heard[name] = now
        lag = float(_either(row, "Seconds_Behind_Source", "Seconds_Behind_Master") or 0)
        return self._judged(lag, name, "the replica applies what it receives")

    def _behind(self, name: str, written: int, reached: int, now: float) -> tuple[float, float]:
        trail = self._trails.setdefault(name, Trail())
        trail.add(now, written)
        found = trail.bounds(reached, now)
        trail.forget_before(reached)
        return found

    def _unconnected(self, name: str, what: str, who: str, since: float | None) -> Result:
        """Judge one that receives nothing: behind by its newest change, or since it was last connected."""
        heard = self._heard.get(name)
        silent = float("inf") if heard is None else self._monotonic() - heard
        lag = min(silent, float("inf") if since is None else since)
        known = lag != float("inf")
        status = worst([Status.WARN, over(lag, self._warn, self._fail)[0]])
        behind = f"is at most {humanize(lag)} behind" if known else "may be any time behind"
        reason = f"{what}: {who} receives nothing from its primary, and {behind}"
        return Result(round(lag, 3) if known else None, "s" if known else None, status, reason, name or None)

    def _judged(self, lag: float, name: str, who: str, *, at_least: Status = Status.PASS) -> Result:
        status, limit = over(lag, self._warn, self._fail)
        reason = f"lagging: {who}, {humanize(lag)} late" + (f" (limit {humanize(limit)})" if limit else "")
        status = worst([status, at_least])
        return Result(round(lag, 3), "s", status, "" if status is Status.PASS else reason, name or None)


class AsyncReplicationLag(AsyncCall, ReplicationLag):
    """`ReplicationLag` on an async engine; made by calling `ReplicationLag`."""


ReplicationLag._asynchronous = AsyncReplicationLag

_STANDBY = sa.text(
    "SELECT CAST(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0') AS bigint) AS received,"
    " CAST(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') AS bigint) AS replayed,"
    " CAST(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS float8) AS since,"
    " EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) AS streaming,"
    " pg_is_wal_replay_paused() AS paused"
)
_PRIMARY = sa.text(
    "SELECT application_name AS name, host(client_addr) AS address,"
    " CAST(pg_wal_lsn_diff(replay_lsn, '0/0') AS bigint) AS replayed,"
    " CAST(extract(epoch FROM replay_lag) AS float8) AS lag,"
    " CAST(extract(epoch FROM clock_timestamp() - reply_time) AS float8) AS silent"
    " FROM pg_stat_replication WHERE state IS NULL OR state IN ('streaming', 'catchup')"
    " ORDER BY application_name, client_addr, pid"
)
_WRITTEN = sa.text("SELECT CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS bigint)")
_SLEEP = sa.text("SELECT 1 FROM pg_sleep(:nap)")


def _one(connection: sa.Connection, query: sa.TextClause) -> Row:
    return connection.execute(query).mappings().one()


def _named(rows: Sequence[Row]) -> dict[str, Row]:
    """Return standbys by name; several of one name are told apart by address, then by number."""
    named: dict[str, Row] = {}
    for row in rows:
        plain = str(row["name"] or "standby")
        choices = [plain, f"{plain}@{row['address'] or 'local'}"]
        choices += [f"{choices[1]}#{number}" for number in range(2, len(rows) + 2)]
        named[next(name for name in choices if name not in named)] = row
    return named


def _either(row: Row, *names: str) -> Any:
    """Return the first of several columns that is there: MySQL renamed them, MariaDB did not."""
    return next((row[name] for name in names if name in row), None)


def _number(row: Row, column: str) -> str:
    number = _either(row, column)
    return f" (error {number})" if number else ""
