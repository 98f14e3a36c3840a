"""A Redis client of a probe's own: short timeouts, no retries, and the class of reason for each failure.

The app's client will not do: redis-py retries ten times by default, so that a PING to a black hole takes a
minute.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import redis as redis_library
from redis import exceptions as errors
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from healthkit.checks.reasons import LOST, TIMED_OUT, network_reason, reason_in_text
from healthkit.checks.redis_cluster import OwnCluster
from healthkit.errors import ConfigurationError, Fail

STEP_SHARE = 0.4  # of the timeout, for each single step on the network: to connect, to be answered
WRONG_LOGIN = "authentication failed: Redis refuses this user or password"
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (errors.AuthenticationError, WRONG_LOGIN),
    (errors.AuthenticationWrongNumberOfArgsError, WRONG_LOGIN),
    (errors.AuthorizationError, "permission denied: Redis forbids this user the command or the key"),
    (errors.NoPermissionError, "permission denied: Redis forbids this user the command or the key"),
    (errors.BusyLoadingError, "unreachable: Redis is still loading its data"),
    (errors.ReadOnlyError, "read-only: Redis is a replica and refuses writes"),
    (errors.OutOfMemoryError, "out of memory: Redis refuses writes"),
    (errors.MaxConnectionsError, "unreachable: Redis takes no more connections"),
    (errors.ClusterError, "unreachable: the Redis cluster is down"),
    (errors.RedisClusterException, "unreachable: no node of the Redis cluster answers for all of it"),
    (MasterNotFoundError, "unreachable: no Sentinel knows a master that is up"),
    (errors.TimeoutError, TIMED_OUT),
)
_OWN = ("retry", "retry_on_timeout", "retry_on_error", "decode_responses", "health_check_interval")
_OF_THE_POOL = ("maint_notifications", "orig_", "himport_registry", "event_dispatcher", "connection_pool")
BROKEN = (errors.RedisError, errors.RedisClusterException, OSError)  # all that a client may raise


class OnRedis:
    """Base of what speaks to Redis: over a client of its own, whose every step fits into `timeout`."""

    timeout: float
    _client: Any

    def _reach(self, redis: Any) -> None:
        """Take the app's client or its URL. Raises `ConfigurationError`."""
        self._given = redis
        self._client = own_client(redis, self.timeout * STEP_SHARE)

    def within(self, limit: float) -> None:
        """Fit every step into `limit` seconds, the timeout that it was registered with."""
        self.timeout = limit
        self.close()
        self._reach(self._given)

    def close(self) -> None:
        """Close the probe's connections; the next run opens others."""
        self._client.close()


def own_client(redis: Any, timeout: float) -> Any:
    """Return a client of our own to where `redis` (a client or a URL) points; nothing is connected yet.

    `timeout` bounds each single step, in seconds. Raises `ConfigurationError`, without quoting a URL.
    """
    limits = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
    }
    if isinstance(redis, str):
        try:
            return redis_library.Redis.from_url(redis, **limits)
        except ValueError:
            raise ConfigurationError(
                "redis: the text is not a Redis URL; write redis://host:6379/0, rediss://... or unix://..."
            ) from None
    if isinstance(redis, AsyncRedis | AsyncRedisCluster):
        raise ConfigurationError("redis: this is an asyncio client; pass a redis.Redis, or the URL as text")
    if isinstance(redis, RedisCluster):
        return OwnCluster(redis, limits)
    if not isinstance(redis, redis_library.Redis):
        if callable(getattr(redis, "pipeline", None)):
            return redis  # a fake for tests: used as it is
        raise ConfigurationError(f"redis: a {type(redis).__name__} is neither a redis client nor a URL")
    return redis_library.Redis(connection_pool=_own_pool(redis.connection_pool, limits))


def _own_pool(pool: redis_library.ConnectionPool, limits: dict[str, Any]) -> redis_library.ConnectionPool:
    ours = {**_kept(pool), **limits}
    if isinstance(pool, SentinelConnectionPool):
        return SentinelConnectionPool(  # type: ignore[no-untyped-call]
            pool.service_name,
            _own_sentinels(pool.sentinel_manager, limits),
            is_master=pool.is_master,
            connection_class=pool.connection_class,
            **ours,
        )
    return redis_library.ConnectionPool(connection_class=pool.connection_class, **ours)


def _own_sentinels(given: Sentinel, limits: dict[str, Any]) -> Sentinel:
    """Return the same Sentinels, asked over connections of our own: the app's may wait for a minute."""
    ours = Sentinel([], given.min_other_sentinels, force_master_ip=getattr(given, "_force_master_ip", None))  # type: ignore[no-untyped-call]
    ours.sentinels = [
        redis_library.Redis(connection_pool=_own_pool(one.connection_pool, limits)) for one in given.sentinels
    ]
    return ours


def _kept(pool: redis_library.ConnectionPool) -> dict[str, Any]:
    """Return what the app's own connections are made with, but for what is ours to choose."""
    return {
        key: value
        for key, value in pool.connection_kwargs.items()
        if key not in _OWN and not key.startswith(_OF_THE_POOL)
    }


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn what redis-py raises into a `Fail` that names the class of reason; all else goes on as it is."""
    reason = None
    try:
        yield
    except BROKEN as error:
        reason = redis_reason(error)
        if reason is None:
            raise
    if reason is not None:
        raise Fail(reason)


def redis_reason(error: Exception) -> str | None:
    """Return why Redis did not answer, without a word of the error's text; None when that is unknown."""
    for kind, reason in _KINDS:
        if isinstance(error, kind):
            return reason
    known = network_reason(error) or reason_in_text(error)
    if isinstance(error, errors.ResponseError):
        return "wrong type: a key of the queue holds something else" if "WRONGTYPE" in str(error) else None
    return known or (LOST if isinstance(error, errors.ConnectionError) else None)
