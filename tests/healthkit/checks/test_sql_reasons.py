"""The class of reason for errors whose servers are not run here: MySQL's codes, PostgreSQL's rarer states."""

from __future__ import annotations

import pymysql.err  # type: ignore[import-untyped]
import pytest
from sqlalchemy.exc import OperationalError

from healthkit.checks.sql_reasons import database_reason
from tests.healthkit.checks.support import SECRET


class Coded(Exception):
    """An error as drivers of PostgreSQL raise it."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(SECRET)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(("code", "word"), [
    (1290, "read-only"), (1792, "read-only"), (1836, "read-only"), (1205, "locked"), (1213, "locked"),
    (1142, "permission denied"), (1044, "permission denied"), (1021, "disk full"), (1114, "disk full"),
    (1045, "authentication failed"), (1040, "unreachable"), (2003, "unreachable"), (2013, "unreachable"),
    (1049, "unreachable"), (1969, "timed out"), (1146, "missing table"),
])  # fmt: skip
def test_mysqls_codes_are_known(code: int, word: str) -> None:
    error = OperationalError("UPDATE ...", {}, pymysql.err.OperationalError(code, f"says {SECRET}"))
    reason = database_reason(error)
    assert reason is not None
    assert reason.startswith(f"{word}: ")
    assert SECRET not in reason


@pytest.mark.parametrize(("state", "word"), [
    ("25006", "read-only"), ("55P03", "locked"), ("40P01", "locked"), ("57014", "timed out"),
    ("42501", "permission denied"), ("53100", "disk full"), ("53300", "unreachable"),
    ("28P01", "authentication failed"), ("57P01", "unreachable"), ("08006", "unreachable"),
    ("42P01", "missing table"),
])  # fmt: skip
def test_postgresqls_states_are_known(state: str, word: str) -> None:
    reason = database_reason(OperationalError("UPDATE ...", {}, Coded(state)))
    assert reason is not None
    assert reason.startswith(f"{word}: ")


def test_an_error_nobody_knows_has_no_reason() -> None:
    assert database_reason(OperationalError("UPDATE ...", {}, Coded("XX000"))) is None
    assert database_reason(LookupError(SECRET)) is None
