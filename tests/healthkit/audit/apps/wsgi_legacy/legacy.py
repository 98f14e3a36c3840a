"""A plain WSGI app with a health route of its own making."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from redis import Redis

Start = Callable[..., Any]
redis = Redis()


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Answer a request."""
    path = environ["PATH_INFO"]
    if path == "/health":
        return health(start_response)
    if path == "/ready":
        return readiness(start_response)
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"no such page"]


def health(start_response: Start) -> list[bytes]:
    """Say how the worker and the database are: as found, or as hoped."""
    seen = redis.get("worker:last_seen")  # gap: HK010
    state = "up"
    try:
        with sqlite3.connect(os.environ.get("LEGACY_DATABASE", "legacy.db")) as connection:
            connection.execute("SELECT 1")
    except Exception:  # noqa: BLE001  # gap: HK007
        state = "up, probably"
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"database": state, "worker": str(seen)}).encode()]


def readiness(start_response: Start) -> list[bytes]:
    """Say the truth."""
    try:
        with sqlite3.connect(os.environ.get("LEGACY_DATABASE", "legacy.db")) as connection:
            connection.execute("SELECT 1")
    except Exception:  # noqa: BLE001
        start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"the database is down"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ready"]
