"""Where the shop finds its database, its Redis and its payment provider: the environment tells."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from redis import Redis


def database_url() -> str:
    """The shop's database: SQLite beside the process unless `SHOP_DATABASE_URL` names another."""
    return os.environ.get("SHOP_DATABASE_URL", "sqlite:///shop.db")


def redis_url() -> str:
    """The shop's Redis."""
    return os.environ.get("SHOP_REDIS_URL", "redis://127.0.0.1:6379/0")


def payments_url() -> str:
    """The payment provider's base address."""
    return os.environ.get("SHOP_PAYMENTS_URL", "http://127.0.0.1:8099")


def mail_folder() -> Path:
    """Where sent e-mails land, one file each: this shop's way to have a mailbox without a mail server."""
    return Path(os.environ.get("SHOP_MAIL_FOLDER", "mail"))


def queue_limit() -> int:
    """How many waiting jobs make the shop unhealthy."""
    return int(os.environ.get("SHOP_QUEUE_LIMIT", "10000"))


def worker_silence() -> str:
    """How long the worker may be silent."""
    return os.environ.get("SHOP_WORKER_SILENCE", "90s")


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The one engine; SQLite gets no pool: opening a file is cheap, and a healed one is seen at once."""
    url = database_url()
    if url.startswith("sqlite"):
        return create_engine(url, poolclass=NullPool, connect_args={"timeout": 5})
    return create_engine(url, pool_pre_ping=True)


@lru_cache(maxsize=1)
def redis() -> Redis:
    """The shop's one Redis client."""
    from redis import Redis

    return Redis.from_url(redis_url())
