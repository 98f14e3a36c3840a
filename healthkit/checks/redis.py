"""Checks on Redis itself: it takes writes and has room for them, and its replicas keep up.

    health.add(RedisWrite(redis))
    health.add(RedisReplication(redis, replicas=1, max_lag="10s"))

Over a client of the probe's own, made from the app's client (Sentinel's and a cluster's too) or URL. Of a
cluster every shard is asked, and has a result of its own.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from redis import exceptions as errors

from healthkit.checks.redis_cluster import OwnCluster, Shard
from healthkit.checks.redis_link import BROKEN, OnRedis, redis_reason
from healthkit.checks.thresholds import human, limit, over
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail, Outcome, Warn
from healthkit.model import Result
from healthkit.status import Status

Clock = Callable[[], float]

KEPT = 60  # seconds until a probe's key is gone by itself

_REFUSALS = (  # what Redis answers without an exception class of redis-py's own
    ("MISCONF", "disk: Redis cannot save to disk, and refuses writes for that"),
    ("NOREPLICAS", "replication: too few replicas keep up, and Redis refuses writes for that"),
    ("MASTERDOWN", "replication: the replica has lost its master"),
    ("CLUSTERDOWN", "unreachable: the Redis cluster is down"),
    ("NOAUTH", "authentication failed: Redis wants a password"),
)


class _RedisProbe(OnRedis):
    component_type = "datastore"
    _prefix = ""

    def __init__(self, redis: Any, name: str, timeout: Duration) -> None:
        kind = type(self).__name__
        self.name = name
        self.timeout = seconds(timeout, what=f"{kind} timeout")
        if self.timeout <= 0:
            raise ConfigurationError(f"{kind} timeout: {timeout!r} leaves no time; give seconds above 0")
        self._reach(redis)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __call__(self) -> Any:
        """Ask once; raises `Fail` with the class of reason first. Of a cluster, each shard has its result."""
        if not isinstance(self._client, OwnCluster):
            return self.look(self._client, "")
        cluster = self._client
        try:
            results = [self._of_shard(cluster, shard) for shard in cluster.shards()]
        except BROKEN as error:
            cluster.forget()
            raise _failure(error) from None
        if any(result.status is Status.FAIL for result in results):
            cluster.forget()
        return results

    def look(self, client: Any, key: str) -> Result:
        """Ask one server, a cluster's shard by a `key` that it holds; raises `Fail`."""
        raise NotImplementedError

    def _of_shard(self, cluster: OwnCluster, shard: Shard) -> Result:
        try:
            found = self.look(shard.client, cluster.key_for(shard, self._prefix))
        except Outcome as told:
            status = Status.FAIL if isinstance(told, Fail) else Status.WARN
            return Result(told.value, told.unit, status, str(told.reason), shard.title, told.details)
        return replace(found, component_id=shard.title)

    def _say(self, client: Any, *commands: tuple[Any, ...]) -> list[Any]:
        """Return the answers to commands sent at once; a refused one's is its exception. Raises `Fail`."""
        try:
            with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = pipeline.execute(raise_on_error=False)
        except BROKEN as error:
            raise _failure(error) from None
        return answers

    def _facts(self, answer: Any) -> Mapping[str, Any]:
        """Return what INFO said; nothing where this user may not ask, which is no failure of Redis."""
        if isinstance(answer, errors.NoPermissionError | errors.AuthorizationError):
            return {}
        return answer if isinstance(answer, dict) else {}


class RedisWrite(_RedisProbe):
    """Proves that Redis takes writes: sets a key of its own, which expires by itself, and reads it back.

    A PING succeeds on a replica, on a full Redis and on one that cannot save. `warn` and `fail` are shares of
    `maxmemory` in use; they count only where Redis does not make room by evicting, and there
    `may_evict=False` fails on evictions as well, which for a queue are lost jobs. The value is the latency in
    milliseconds.
    """

    measurement = "write"

    def __init__(
        self, redis: Any, *, name: str = "redis", prefix: str = "healthkit:probe:", warn: float | None = 0.8,
        fail: float | None = 0.95, may_evict: bool = True, timeout: Duration = 2.0,
        clock: Clock = time.perf_counter,
    ) -> None:  # fmt: skip
        super().__init__(redis, name, timeout)
        self._warn, self._fail = limit(warn, "RedisWrite: warn"), limit(fail, "RedisWrite: fail")
        self._may_evict = may_evict
        self._prefix = prefix + uuid.uuid4().hex  # of its own, so that no other instance answers for it
        self._evicted: dict[str, int] = {}  # by key, so by shard
        self._clock = clock

    def look(self, client: Any, key: str) -> Result:
        """Write once; raises `Fail` with the class of reason first."""
        before, key, value = self._clock(), key or self._prefix, uuid.uuid4().hex
        wrote, read, memory, stats = self._say(
            client, ("SET", key, value, "EX", KEPT), ("GET", key), ("INFO", "memory"), ("INFO", "stats")
        )
        took = round((self._clock() - before) * 1000, 2)
        for answer in (wrote, read):
            if isinstance(answer, Exception):
                raise _failure(answer)
        facts = self._facts(memory)
        if read != value.encode() and _policy(facts) == "noeviction":
            raise Fail("lost: a key that was just written is gone")
        return self._judge(took, facts, self._evictions(key, self._facts(stats)))

    def _judge(self, took: float, memory: Mapping[str, Any], lost: int) -> Result:
        used, most = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
        policy = _policy(memory)
        details: dict[str, Any] = {"used_memory": used} if memory else {}
        if most:
            details |= {"maxmemory": most, "maxmemory_policy": policy}
        status, output = self._by_memory(used, most, policy)
        if lost and not self._may_evict:
            status, output = (
                Status.FAIL,
                f"evicted: Redis dropped {lost:,} keys to make room since the last look",
            )
        return Result(took, "ms", status, output, None, details)

    def _by_memory(self, used: int, most: int, policy: str) -> tuple[Status, str]:
        if not most:
            return Status.PASS, ""
        if policy != "noeviction":
            drops = not self._may_evict
            told = f"Redis may drop keys to make room (maxmemory-policy {policy}), and may not here"
            return (Status.WARN, told) if drops else (Status.PASS, "")
        status, share = over(used / most, self._warn, self._fail)
        told = f"memory: {human(used)} of {human(most)} in use (limit {share:.0%}); full, it refuses writes"
        return status, told if share else ""

    def _evictions(self, key: str, stats: Mapping[str, Any]) -> int:
        """Return how many keys were dropped since the last look; a restart begins the count anew."""
        now = int(stats.get("evicted_keys", 0))
        before, self._evicted[key] = self._evicted.get(key, now), now
        return max(0, now - before)


class RedisReplication(_RedisProbe):
    """Replicas keep up: asked of a master or of a replica, it tells the same.

    Of a replica: its link to the master is up, and it heard from it within `max_lag`. Of a master: at least
    `replicas` are connected and within `max_lag`. The value is the lag in seconds: the largest, or that of
    the last replica that is needed. `role` ("master" or "replica") fails on the other one, which after a
    failover tells that the app talks to the wrong server.
    """

    measurement = "replication"

    def __init__(
        self, redis: Any, *, replicas: int = 0, max_lag: Duration = "15s", role: str | None = None,
        name: str = "redis", timeout: Duration = 2.0,
    ) -> None:  # fmt: skip
        super().__init__(redis, name, timeout)
        if role not in (None, "master", "replica"):
            raise ConfigurationError(f'RedisReplication: role {role!r:.100} must be "master" or "replica"')
        self._replicas = replicas
        self._max_lag = seconds(max_lag, what="RedisReplication: max_lag")
        self._role = role

    def look(self, client: Any, key: str) -> Result:  # noqa: ARG002
        """Raises `Fail` with the class of reason first, and `Warn` where this user may not ask."""
        [answer] = self._say(client, ("INFO", "replication"))
        if isinstance(answer, Exception) and not self._facts(answer):
            if isinstance(answer, errors.NoPermissionError):
                raise Warn("permission denied: this user may not ask Redis for INFO")
            raise _failure(answer)
        facts = self._facts(answer)
        role = "master" if facts.get("role") == "master" else "replica"
        if self._role not in (None, role):
            raise Fail(f"replication: this is a {role}, and should be a {self._role}", role=role)
        return self._as_master(facts) if role == "master" else self._as_replica(facts)

    def _as_replica(self, facts: Mapping[str, Any]) -> Result:
        if facts.get("master_link_status") != "up":
            down = float(facts.get("master_link_down_since_seconds", -1))
            since = f" for {humanize(down)}" if down >= 0 else ""
            raise Fail(f"replication: the link to the master is down{since}", role="replica")
        lag = float(facts.get("master_last_io_seconds_ago", 0))
        if facts.get("master_sync_in_progress"):
            told = "replication: still copying from the master"
            return Result(lag, "s", Status.WARN, told, None, _of("replica"))
        return self._judge(lag, f"replication: nothing from the master for {humanize(lag)}", _of("replica"))

    def _as_master(self, facts: Mapping[str, Any]) -> Result:
        rows = [row for key, row in facts.items() if key[:5] == "slave" and isinstance(row, dict)]
        lags = [float(row.get("lag", 0)) for row in rows if row.get("state") == "online"]
        details = {**_of("master"), "replicas": len(lags)}
        if len(lags) < self._replicas:
            raise Fail(f"replication: {len(lags)} of {self._replicas} replicas are connected", **details)
        lag = sorted(lags)[self._replicas - 1] if self._replicas else max(lags, default=0.0)
        return self._judge(lag, f"replication: a replica is {humanize(lag)} behind", details)

    def _judge(self, lag: float, told: str, details: Mapping[str, Any]) -> Result:
        if lag <= self._max_lag:
            return Result(lag, "s", details=details)
        return Result(lag, "s", Status.FAIL, f"{told} (limit {humanize(self._max_lag)})", None, details)


def _policy(memory: Mapping[str, Any]) -> str:
    return str(memory.get("maxmemory_policy", "noeviction"))


def _of(role: str) -> dict[str, Any]:
    return {"role": role}


def _failure(error: Exception) -> Fail:
    """Return the `Fail` that names the class of reason, without quoting the error's text."""
    text = str(error)
    refusal = next((reason for word, reason in _REFUSALS if text.startswith(word)), None)
    return Fail(refusal or redis_reason(error) or f"refused: Redis answers with {type(error).__name__}")
