"""How PostgreSQL is connected to: several hosts, limits on either side, and poolers in between."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, Engine, event

# The server ends what takes too long and what a stopped process left open, so that nobody waits for a zombie:
# a node that was stopped within a transaction holds rows for less time than others wait for them.
_LIMITS = (
    ("idle_in_transaction_session_timeout", 4_000),
    ("lock_timeout", 6_000),
    ("statement_timeout", 8_000),
)  # milliseconds
CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "healthkit-checker",
}
_HOSTS = re.compile(
    r"(?P<head>postgres\w*(?:\+\w+)?://(?:[^@/?]*@)?)(?P<hosts>[^@/?]*,[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?"
)


def with_hosts(text: str) -> str:
    """Return a URL that names several hosts (`a:5432,b:5432`) in the form that SQLAlchemy reads."""
    found = _HOSTS.fullmatch(text)
    if found is None:
        return text
    head, hosts, path, query = found.group("head", "hosts", "path", "query")
    named = "&".join(f"host={each}" for each in hosts.split(","))
    return f"{head}{path}?{named}{'&' + query if query else ''}"


def prepare(engine: Engine) -> None:
    """Set our limits: once a session, or in each transaction where a pooler gives each another session."""
    from checker.store.impatient import SILENCE, Impatient

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: list[Any], named: dict[str, Any]) -> Impatient:
        return Impatient.connect(*arguments, **named)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        connection.autocommit = True
        there = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        record.info["pooled"] = there != connection.info.backend_pid
        if record.info["pooled"]:
            # The next transaction's session does not know what is prepared.
            connection.prepare_threshold = None
        else:
            connection.execute("; ".join(f"SET {name}={value}" for name, value in _LIMITS))
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def begun(conn: Connection) -> None:
        _driver(conn).patience = SILENCE
        if conn.connection.info.get("pooled"):
            limits = "; ".join(f"SET LOCAL {name}={value}" for name, value in _LIMITS)
            conn.exec_driver_sql(limits)


def take_time(conn: Connection) -> None:
    """Let this transaction take as long as it needs, on either side."""
    from checker.store.impatient import LONGEST

    _driver(conn).patience = LONGEST
    conn.exec_driver_sql("SET LOCAL statement_timeout=0")
    conn.exec_driver_sql("SET LOCAL lock_timeout=0")
    conn.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout=120000")


def _driver(conn: Connection) -> Any:
    return conn.connection.driver_connection
