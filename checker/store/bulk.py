"""Many rows in few statements: not one round trip, one step and one lock of Python a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Double, Integer, LargeBinary, Table

Row = tuple[Any, ...]

# SQLite's chunks are powers of two, so that a dozen texts serve every number of rows and stay prepared.
_LARGEST = 512
_SQLITE_PARAMETERS = 32_000  # the engine's own limit is 32,766


class Insert:
    """Inserts many rows at once, with an optional conflict clause that both dialects understand.

    Rows are tuples in the order of `columns`; values go to the driver as they are, so JSON comes encoded.
    On SQLite: `VALUES (...), (...)`. On PostgreSQL all rows are one parameter, a JSON text: one statement
    serves every number of rows, and neither side spends time on thousands of placeholders.
    """

    def __init__(self, table: Table, columns: Sequence[str], conflict: str = "") -> None:
        self._table = table
        self._columns = tuple(columns)
        self._conflict = conflict
        self._texts: dict[int, str] = {}

    def __call__(self, conn: Connection, rows: Sequence[Row]) -> None:
        """Insert the rows, in order."""
        if not rows:
            return
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(self._postgres, (_ROWS(rows),))
            return
        start = 0
        for size in self._sizes(len(rows)):
            chunk = rows[start : start + size]
            conn.exec_driver_sql(self._sqlite(size), tuple([value for row in chunk for value in row]))
            start += size

    @cached_property
    def _postgres(self) -> str:
        picked = ", ".join(
            _picked(self._table.c[name], position) for position, name in enumerate(self._columns)
        )
        return f"{self._head} SELECT {picked} FROM json_array_elements(%s::json) AS each(r) {self._conflict}"

    @cached_property
    def _head(self) -> str:
        columns = ", ".join(f'"{name}"' for name in self._columns)
        return f'INSERT INTO "{self._table.name}" ({columns})'

    @cached_property
    def _most(self) -> int:
        most = _LARGEST
        while most * len(self._columns) > _SQLITE_PARAMETERS:
            most //= 2
        return most

    def _sizes(self, count: int) -> Iterator[int]:
        size = self._most
        while count:
            while size > count:
                size //= 2
            yield size
            count -= size

    def _sqlite(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            row = f"({','.join('?' * len(self._columns))})"
            text = self._texts[size] = f"{self._head} VALUES {','.join([row] * size)} {self._conflict}"
        return text


def _picked(column: Column[Any], position: int) -> str:
    """Return SQL that takes a column's value out of a row's JSON list."""
    value = f"r->>{position}"
    if isinstance(column.type, LargeBinary):
        return f"decode({value}, 'hex')"
    if isinstance(column.type, BigInteger):
        return f"({value})::bigint"
    if isinstance(column.type, Integer):
        return f"({value})::integer"
    if isinstance(column.type, Double):
        return f"({value})::double precision"
    return f"({value})::json" if column.type.__visit_name__ == "JSON" else value


def _hex(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"a {type(value).__name__} cannot be stored")


_ROWS = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=_hex).encode


def placeholder(conn: Connection) -> str:
    """Return the driver's mark for a parameter."""
    return "?" if conn.dialect.name == "sqlite" else "%s"


def among(conn: Connection, column: str) -> str:
    """Return SQL for "`column` is one of these" with one parameter, to be given as `ids(conn, ...)`."""
    if conn.dialect.name == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(?))"
    return f"{column} = ANY(%s)"


def ids(conn: Connection, values: Iterable[int] | Iterable[str]) -> Row:
    """Return the parameter of `among`: one value, however many ids (or names) there are."""
    listed = list(values)
    return (json.dumps(listed),) if conn.dialect.name == "sqlite" else (listed,)
