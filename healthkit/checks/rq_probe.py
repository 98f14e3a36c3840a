"""What the checks on RQ have in common: a queue's name, and a client of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

from healthkit.checks.queue_depth import plain, positive, queue_name
from healthkit.checks.redis_link import OnRedis
from healthkit.durations import Duration

Clock = Callable[[], float]


class RQProbe(OnRedis):
    """Base of the checks on one RQ queue, but its depth."""

    measurement: ClassVar[str]
    component_type = "component"
    _title: ClassVar[str]

    def _begin(
        self, queue: str, redis: Any, name: str | None, timeout: Duration, clock: Clock = time.time
    ) -> None:
        """Take what all have in common. Raises `ConfigurationError`."""
        kind = type(self).__name__
        self.queue = queue_name(queue, kind)
        self.timeout = positive(timeout, f"{kind} timeout")
        self.name = name or f"{self._title}-{plain(queue)}"
        self.identity = f"rq:{queue}"
        self._reach(redis)
        self._clock = clock
