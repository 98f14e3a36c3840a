"""Engines for the tests of the database checks: every driver, made as an app makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

SQLITE = ("pysqlite", "aiosqlite")
POSTGRES = ("psycopg", "psycopg2", "asyncpg", "psycopg-async")
MYSQL = ("pymysql", "aiomysql", "asyncmy")
ASYNC = {"aiosqlite", "asyncpg", "psycopg-async", "aiomysql", "asyncmy"}


def engine_of(driver: str, url: str, **options: Any) -> Engine | AsyncEngine:
    """Return an engine of this driver for a URL of the same kind of database."""
    parsed = make_url(url)
    kind = parsed.drivername.partition("+")[0]
    target = parsed.set(drivername=f"{kind}+{driver.removesuffix('-async')}")
    return create_async_engine(target, **options) if driver in ASYNC else create_engine(target, **options)
