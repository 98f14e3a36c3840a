"""Many rows in few statements: not one round trip, one step and one lock of Python a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Connection, Double, Integer, LargeBinary, Table

Row = tuple[Any, ...]

# SQLite's chunks are powers of two, so that a dozen texts serve every number of rows and stay prepared.
_LARGEST = 512
_SQLITE_PARAMETERS = 32_000  # the engine's own limit is 32,766


class Insert:
    """Inserts many rows at once, with an optional conflict clause that both dialects understand.

    Rows are tuples in the order of `columns`; values go to the driver as they are, so JSON comes encoded.
    On SQLite: `VALUES (...), (...)`. On PostgreSQL a column is one parameter, an array in binary form: one
    statement serves every number of rows, and neither side spends time on placeholders or on texts.
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
            columns = zip(*rows, strict=True)
            values = [made(each) for made, each in zip(self._lists, columns, strict=True)]
            conn.exec_driver_sql(self._postgres, tuple(values))
            return
        start = 0
        for size in self._sizes(len(rows)):
            chunk = rows[start : start + size]
            conn.exec_driver_sql(self._sqlite(size), tuple([value for row in chunk for value in row]))
            start += size

    @cached_property
    def _postgres(self) -> str:
        types = [_array_type(self._table.c[name]) for name in self._columns]
        names = ", ".join(f'"{name}"' for name in self._columns)
        picked = ", ".join(
            f'"{name}"::json' if isinstance(self._table.c[name].type, JSON) else f'"{name}"'
            for name in self._columns
        )
        arrays = ", ".join(f"%b::{each}[]" for each in types)
        return f"{self._head} SELECT {picked} FROM unnest({arrays}) AS each({names}) {self._conflict}"

    @cached_property
    def _lists(self) -> list[Callable[[Iterable[Any]], list[Any]]]:
        """What makes a column's values a list that is of one type, as the driver wants it."""
        return [_LISTS.get(_array_type(self._table.c[name]), list) for name in self._columns]

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


def _array_type(column: Column[Any]) -> str:
    """Return the element type of the array that a column's values come as; JSON comes as text."""
    for kind, name in _TYPES.items():
        if isinstance(column.type, kind):
            return name
    return "text"


_TYPES = {BigInteger: "bigint", Integer: "integer", Double: "double precision", LargeBinary: "bytea"}


def _floats(values: Iterable[Any]) -> list[float | None]:
    return [None if each is None else float(each) for each in values]


def _texts(values: Iterable[Any]) -> list[str | None]:
    return [None if each is None else str(each) for each in values]


_LISTS: dict[str, Callable[[Iterable[Any]], list[Any]]] = {"double precision": _floats, "text": _texts}


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
