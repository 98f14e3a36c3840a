"""How full an engine's pool is, read without taking a connection from it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool


@dataclass(frozen=True, slots=True)
class PoolFill:
    """Connections in use, and the most there may be; `limit` is None where the overflow is unlimited."""

    in_use: int
    limit: int | None

    @property
    def is_full(self) -> bool:
        """Whether the next one to ask must wait."""
        return self.limit is not None and self.in_use >= self.limit

    def __str__(self) -> str:
        return f"{self.in_use} of {self.limit or 'any number of'} connections are in use"


def pool_fill(engine: Engine) -> PoolFill | None:
    """Return how full the engine's pool is; None for the kinds of pool that have no limit of their own."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        return None
    unlimited = pool._max_overflow < 0 or pool.size() == 0  # SQLAlchemy has no public name for it
    return PoolFill(pool.checkedout(), None if unlimited else pool.size() + pool._max_overflow)
