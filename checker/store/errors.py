"""What the store raises, and how a database's error becomes a sentence a person can act on."""

from __future__ import annotations

from urllib.parse import unquote

from sqlalchemy import URL, exc

from healthkit.errors import HealthkitError


class StoreError(HealthkitError):
    """The database cannot be used as it is; says what, where, why and what next, and never a password."""


class StoreUnavailable(StoreError):
    """The database cannot take this now: locked, full, restarting, gone.

    Nothing was committed; or, where the commit itself went unanswered, that is not known.
    """


# (part of the driver's message, in lower case; why; what next)
_KNOWN = (
    (
        "file is not a database",
        "the file is not an SQLite database",
        "point `database` elsewhere, or move the file away",
    ),
    (
        "malformed",
        "the database file is damaged",
        "restore it from a backup, or recover it with `sqlite3 FILE .recover`",
    ),
    (
        "unable to open database file",
        "the file cannot be opened",
        "check that the path and its permissions are right",
    ),
    (
        "readonly database",
        "the file cannot be written",
        "give this user write permission on the file and its folder",
    ),
    ("read-only", "the server is read-only (a standby?)", "point `database` at the primary"),
    (
        "database is locked",
        "another process holds the write lock",
        "see which other program has the file open",
    ),
    ("disk is full", "the disk is full", "free some space; it goes on by itself then"),
    ("disk i/o error", "the disk returned an error", "check the disk and the file's permissions"),
    ("no space left", "the server's disk is full", "free some space; it goes on by itself then"),
    (
        "password authentication failed",
        "the server refused the password",
        "check user and password in `database`",
    ),
    ("no password supplied", "the server wants a password", "add it to `database`"),
    ("does not exist", None, "create it, or correct `database`"),
    ("permission denied", None, "grant this user the right, or use another"),
    (
        "connection refused",
        "nothing listens there",
        "start the server, or correct host and port in `database`",
    ),
    ("could not translate host name", "no such host", "correct the host in `database`"),
    ("failed to resolve host", "no such host", "correct the host in `database`"),
    ("timeout", "the server did not answer in time", "see whether it is overloaded, stopped or cut off"),
)

_BUGS = (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.NotSupportedError)


def safe(url: URL) -> str:
    """Return the URL without its password and without its query, which may hold secrets too; hosts stay."""
    secret = [each for each in url.query if each != "host"]
    return unquote(url.difference_update_query(secret).render_as_string(hide_password=True))


def is_unavailable(error: BaseException) -> bool:
    """Tell whether an error speaks of the database's condition rather than of the statement."""
    if isinstance(error, exc.DBAPIError):
        return not isinstance(error, _BUGS)
    return isinstance(error, exc.TimeoutError)


def explain(error: BaseException, url: URL) -> tuple[str, str]:
    """Return (message, driver's own words) for a driver's error, with the password taken out of both."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    words = " ".join(str(cause).split())[:300] or type(cause).__name__
    if url.password:
        words = words.replace(url.password, "***")
    for part, why, hint in _KNOWN:
        if part in words.lower():
            told = f"{why} ({words})" if why else words
            return f"database {safe(url)}: {told}; {hint}", words
    return (
        f"database {safe(url)}: {type(cause).__name__}: {words}; see whether the server is up and reachable",
        words,
    )
