"""Why a database refused: from the drivers' codes to one line that names the class of reason.

Sources: sqlite.org/rescode.html, PostgreSQL's appendix A (SQLSTATE), MySQL's and MariaDB's server error
references.
"""

from __future__ import annotations

import errno
import re
import sqlite3

from healthkit.checks.reasons import LOST, NO_NAME, REFUSED, causes, network_reason, reason_in_text

READ_ONLY = "read-only: the database takes reads and refuses writes"
STANDBY = "read-only: the server is a standby in recovery and refuses writes"
READ_ONLY_DISK = "read-only: the disk below the database is mounted read-only"
READ_ONLY_REASONS = (READ_ONLY, STANDBY, READ_ONLY_DISK)
LOCKED = "locked: another transaction kept the table or row locked for too long"
LOCKED_FILE = "locked: another connection kept the database locked for too long"
DENIED = "permission denied: the user may not do this to the table"
DISK_FULL = "disk full: the database has no room to write"
WRONG_LOGIN = "authentication failed: the server refuses this user or password"
TOO_MANY = "unreachable: the server takes no more connections"
NO_DATABASE = "unreachable: the server has no such database"
GOING_DOWN = "unreachable: the server is starting up or shutting down"
TOO_SLOW = "timed out: the statement took too long"
NO_TABLE = "missing table: the table does not exist"
NO_FILE = "unreachable: the database file cannot be opened"
NOT_A_DATABASE = "unreachable: the file is not a database, or is damaged"
DISK_ERROR = "unreachable: the database file cannot be read or written (disk error)"
SERVER_DISK_ERROR = "disk error: the server cannot read or write its files"
DAMAGED = "damaged: the server finds its own data damaged"

_BY_SQLSTATE = {
    "25006": READ_ONLY,
    "55P03": LOCKED,
    "40P01": LOCKED,
    "57014": TOO_SLOW,
    "42501": DENIED,
    "53100": DISK_FULL,
    "58030": SERVER_DISK_ERROR,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
    "53300": TOO_MANY,
    "28P01": WRONG_LOGIN,
    "28000": WRONG_LOGIN,
    "3D000": NO_DATABASE,
    "42P01": NO_TABLE,
    "3F000": NO_TABLE,
    "57P01": GOING_DOWN,
    "57P02": GOING_DOWN,
    "57P03": GOING_DOWN,
}
_BY_SQLITE = {
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_BUSY: LOCKED_FILE,
    sqlite3.SQLITE_LOCKED: LOCKED_FILE,
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_CANTOPEN: NO_FILE,
    sqlite3.SQLITE_PERM: NO_FILE,
    sqlite3.SQLITE_AUTH: DENIED,
    sqlite3.SQLITE_NOTADB: NOT_A_DATABASE,
    sqlite3.SQLITE_CORRUPT: NOT_A_DATABASE,
    sqlite3.SQLITE_IOERR: DISK_ERROR,
}
_BY_MYSQL = {
    **dict.fromkeys((1036, 1290, 1792, 1836), READ_ONLY),
    **dict.fromkeys((1205, 1213), LOCKED),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), DENIED),
    **dict.fromkeys((1021, 1114), DISK_FULL),
    **dict.fromkeys((1045, 1698), WRONG_LOGIN),
    **dict.fromkeys((1040, 1203, 1226), TOO_MANY),
    **dict.fromkeys((1969, 3024), TOO_SLOW),
    **dict.fromkeys((2006, 2013, 2055), LOST),
    **dict.fromkeys((2002, 2003), REFUSED),
    1049: NO_DATABASE,
    1053: GOING_DOWN,
    1146: NO_TABLE,
    2005: NO_NAME,
}
_BY_TEXT = (  # what libpq says while connecting: it hands over no code then
    ("authentication failed", WRONG_LOGIN),
    ("no password supplied", WRONG_LOGIN),
    ("pg_hba.conf", WRONG_LOGIN),
    ('role "', WRONG_LOGIN),
    ('database "', NO_DATABASE),
    ("too many clients", TOO_MANY),
    ("too many connections", TOO_MANY),
    ("connection slots", TOO_MANY),
    ("starting up", GOING_DOWN),
    ("shutting down", GOING_DOWN),
    ("not yet accepting connections", GOING_DOWN),
    ("connection is lost", LOST),
    ("server closed", LOST),
    ("terminating connection", GOING_DOWN),
    ("no such file", "unreachable: no server listens on that socket"),
)


_BY_SYSTEM = {  # errors of the operating system, which the servers name by number
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EFBIG: DISK_FULL,
    errno.EROFS: READ_ONLY_DISK,
    errno.EIO: SERVER_DISK_ERROR,
}
_MYSQL_FILES = frozenset((3, 1004, 1005, 1016, 1025, 1026, 1030))  # "(errno: 28 ...", "Got error 28 from ..."
_MYSQL_NETWORK = frozenset((2002, 2003, 2005, 2006, 2013, 2055))
_NUMBER = re.compile(r"(?:errno:|errcode:|error) (\d+)", re.IGNORECASE)


def database_reason(error: BaseException) -> str | None:
    """Return why a database refused, without a word of the driver's text; None when nothing known says it."""
    chain = list(causes(error))
    coded = next((reason for cause in chain if (reason := _coded(cause))), None)
    return coded or network_reason(error) or next((r for cause in chain if (r := _told(cause))), None)


def is_missing_table(error: BaseException) -> bool:
    """Tell whether an error means that the table is not there."""
    return database_reason(error) == NO_TABLE


def _coded(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return _BY_SYSTEM.get(error.errno or 0)
    if error.args and isinstance(error.args[0], int):  # before SQLSTATE, which MySQL's drivers keep too
        return _by_mysql(error.args[0], error)
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        missing = NO_TABLE if "no such table" in str(error) else None
        # the low byte is the primary code; WAL mode on a full disk has one of its own
        return DISK_FULL if code == sqlite3.SQLITE_IOERR_SHMSIZE else _BY_SQLITE.get(code & 0xFF) or missing
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return _by_state(state, error) if isinstance(state, str) else None


def _by_state(state: str, error: BaseException) -> str | None:
    if state == "42501" and "read-only file system" in str(error).lower():
        return READ_ONLY_DISK
    return _BY_SQLSTATE.get(state) or (LOST if state.startswith("08") else None)


def _by_mysql(code: int, error: BaseException) -> str | None:
    if code in _MYSQL_NETWORK:  # one number for a refused connection and for one that never came
        return network_reason(error) or reason_in_text(error) or _BY_MYSQL[code]
    if code in _MYSQL_FILES and (number := _NUMBER.search(str(error.args[1:]))):
        return _BY_SYSTEM.get(int(number[1]))
    return _BY_MYSQL.get(code)


def _told(error: BaseException) -> str | None:
    if not type(error).__module__.startswith(("psycopg", "asyncpg", "sqlalchemy.dialects")):
        return None
    text = str(error).lower()
    return next((reason for words, reason in _BY_TEXT if words in text), None) or reason_in_text(error)
