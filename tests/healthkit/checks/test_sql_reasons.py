"""The class of reason for errors whose servers are not run here: MySQL's codes, PostgreSQL's rarer states."""

from __future__ import annotations

import errno

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


@pytest.mark.parametrize(("code", "text", "word"), [
    (2003, "Can't connect to MySQL server on '10.0.0.1' (timed out)", "timed out"),
    (2003, "Can't connect to MySQL server on '10.0.0.1' ([Errno 111] Connection refused)", "unreachable"),
    (2013, "Lost connection to MySQL server during query (timed out)", "timed out"),
    (2013, "Lost connection to MySQL server during query", "unreachable"),
    (1030, "Got error 28 \"No space left on device\" from storage engine InnoDB", "disk full"),
    (1026, "Error writing file './shop/orders.MYD' (Errcode: 28 \"No space left on device\")", "disk full"),
    (1005, "Can't create table `shop`.`orders` (errno: 30 \"Read-only file system\")", "read-only"),
    (1036, "Table 'orders' is read only", "read-only"),
])  # fmt: skip
def test_mysqls_texts_tell_what_one_code_leaves_open(code: int, text: str, word: str) -> None:
    error = pymysql.err.OperationalError(code, text, sqlstate="HY000")
    assert str(database_reason(OperationalError("UPDATE ...", {}, error))).startswith(f"{word}: ")


def test_mysqls_own_code_comes_before_its_sqlstate() -> None:
    error = pymysql.err.ProgrammingError(1146, "Table 'shop.probe' doesn't exist", sqlstate="42S02")
    assert str(database_reason(OperationalError("UPDATE ...", {}, error))).startswith("missing table: ")


@pytest.mark.parametrize(("number", "word"), [
    (errno.ENOSPC, "disk full"), (errno.EDQUOT, "disk full"), (errno.EROFS, "read-only"),
    (errno.EIO, "disk error"),
])  # fmt: skip
def test_the_systems_own_errors_are_known(number: int, word: str) -> None:
    assert str(database_reason(OSError(number, SECRET))).startswith(f"{word}: ")


def test_a_disk_mounted_read_only_is_no_matter_of_permissions() -> None:
    class Refused(Coded):
        def __str__(self) -> str:
            return 'could not open file "base/5/16384": Read-only file system'

    reason = database_reason(OperationalError("UPDATE ...", {}, Refused("42501")))
    assert reason == "read-only: the disk below the database is mounted read-only"
