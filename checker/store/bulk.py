"""Many rows in few statements: not one round trip, one step and one lock of Python a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Table

Row = tuple[Any, ...]

# Chunks are powers of two, so that a dozen texts serve every number of rows and stay prepared in the driver.
_LARGEST = 512
_SQLITE_PARAMETERS = 32_000  # the engine's own limit is 32,766


class Insert:
    """`INSERT INTO table (columns) VALUES (...), (...)`, with an optional conflict clause, in both dialects.

    Rows are tuples in the order of `columns`; values go to the driver as they are, so JSON comes encoded.
    """

    def __init__(self, table: Table, columns: Sequence[str], conflict: str = "") -> None:
        self._table = table.name
        self._columns = tuple(columns)
        self._conflict = conflict
        self._texts: dict[tuple[str, int], str] = {}

    def __call__(self, conn: Connection, rows: Sequence[Row]) -> None:
        """Insert the rows, in order."""
        mark = placeholder(conn)
        start = 0
        for size in self._sizes(len(rows)):
            chunk = rows[start : start + size]
            conn.exec_driver_sql(self._text(mark, size), tuple(value for row in chunk for value in row))
            start += size

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

    def _text(self, mark: str, size: int) -> str:
        text = self._texts.get((mark, size))
        if text is None:
            row = f"({','.join([mark] * len(self._columns))})"
            columns = ",".join(f'"{name}"' for name in self._columns)
            text = f'INSERT INTO "{self._table}" ({columns}) VALUES {",".join([row] * size)} {self._conflict}'
            self._texts[mark, size] = text
        return text


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
