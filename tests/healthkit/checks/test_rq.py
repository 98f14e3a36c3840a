"""The RQ checks on a real Redis with real workers: frozen, killed, stuck and stalled fail; idle passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from rq import Queue

from examples.servers import RedisServer, free_port
from healthkit.checks.rq import QueueCanary, QueueDepth, WorkerHeartbeat
from healthkit.errors import ConfigurationError
from healthkit.model import Reading
from healthkit.status import Status
from tests.healthkit.checks import rq_jobs
from tests.healthkit.checks.rq_workers import RealWorker
from tests.healthkit.checks.support import (
    SECRET,
    SECRET_IN_URL,
    Watched,
    assert_no_secret,
    black_hole,
    mute_listener,
)
from tests.waiting import wait_for

PROBES = [QueueDepth, WorkerHeartbeat, QueueCanary]


class Ahead:
    """A clock that can be put ahead of the real one, so that no test waits for silence to grow."""

    def __init__(self) -> None:
        self.by = 0.0

    def __call__(self) -> float:
        return time.time() + self.by


@pytest.fixture
def clock() -> Ahead:
    """The probe's clock."""
    return Ahead()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis_library.Redis]:
    """The app's client."""
    with redis_library.Redis.from_url(redis_url) as made:
        yield made


@pytest.fixture
def queue(client: redis_library.Redis) -> Queue:
    """The app's queue."""
    return Queue("default", connection=client)


@pytest.fixture
def probes(redis_url: str, clock: Ahead) -> Iterator[Probes]:
    """What makes the checks on this test's Redis."""
    made = Probes(redis_url, clock)
    yield made
    made.close()


class Probes:
    """Makes checks on one Redis, and closes them at the end."""

    def __init__(self, url: str, clock: Ahead) -> None:
        self._url, self._clock = url, clock
        self._made: list[Any] = []

    def __call__(self, kind: type[Any], redis: Any = None, **options: Any) -> Watched:
        probe = kind("default", redis or self._url, **{"clock": self._clock, **options})
        self._made.append(probe)
        return Watched(probe)

    def close(self) -> None:
        """Close every check's connections."""
        for probe in self._made:
            probe.close()


def is_running(watched: Watched) -> bool:
    """Tell whether a worker has begun a job, with nothing left between queue and worker."""
    details = watched().details
    return details.get("busy") == 1 and details.get("in_dequeue") == 0


def test_the_depth_counts_what_waits_and_names_its_oldest(probes: Probes, queue: Queue, clock: Ahead) -> None:
    watched = probes(QueueDepth)
    assert watched().value == 0
    for _ in range(3):
        queue.enqueue(rq_jobs.quick)
    clock.by = 60
    reading = watched()
    assert (reading.check.key, reading.value, reading.unit) == ("queue-default:depth", 3, "jobs")
    assert reading.details["waiting"] == 3
    assert reading.details["oldest_age"] == pytest.approx(60, abs=5)
    assert reading.details["growth_per_minute"] == pytest.approx(3, rel=0.2)


def test_the_depth_warns_and_fails_from_its_limits_on(probes: Probes, queue: Queue) -> None:
    watched = probes(QueueDepth, warn=2, fail=3)
    queue.enqueue(rq_jobs.quick)
    assert watched().status is Status.PASS
    queue.enqueue(rq_jobs.quick)
    reading = watched()
    assert reading.status is Status.WARN
    assert reading.output.startswith("deep: 2 jobs wait (warning from 2)")
    queue.enqueue(rq_jobs.quick)
    assert watched.reason().startswith("too deep: 3 jobs wait (limit 3); the oldest has waited ")
    queue.delete(delete_jobs=True)
    assert watched.passes()


def test_the_depth_fails_by_the_age_of_the_oldest(probes: Probes, queue: Queue, clock: Ahead) -> None:
    watched = probes(QueueDepth, max_age="5m")
    queue.enqueue(rq_jobs.quick)
    clock.by = 290
    assert watched.passes()
    clock.by = 600
    assert watched.reason() == "too old: the oldest job has waited 10 min (limit 5 min); 1 job waits"


def test_the_depth_counts_the_registries_too(probes: Probes, queue: Queue, redis_url: str) -> None:
    with RealWorker(redis_url):
        queue.enqueue(rq_jobs.breaks)
        watched = probes(QueueDepth)
        wait_for(lambda: watched().details["failed"] == 1, what="the failed job")
    assert {"started", "deferred", "scheduled"} <= watched().details.keys()


def test_without_any_worker_the_heartbeat_fails_with_what_waits(probes: Probes, queue: Queue) -> None:
    watched = probes(WorkerHeartbeat)
    assert watched.reason() == "dead: no worker is registered for the queue default"
    queue.enqueue(rq_jobs.quick)
    assert watched.reason().startswith(
        "dead: no worker is registered for the queue default; 1 job waits, the "
    )


def test_an_idle_stock_worker_passes_for_as_long_as_nothing_waits(
    probes: Probes, redis_url: str, clock: Ahead
) -> None:
    watched = probes(WorkerHeartbeat, max_silence="90s")
    with RealWorker(redis_url):
        assert watched.passes()
        clock.by = 400
        reading = watched()
        assert reading.status is Status.PASS
        assert reading.check.key == "worker-default:heartbeat"
        assert reading.value == pytest.approx(400, abs=5)
        assert reading.unit == "s"


def test_a_frozen_worker_with_a_job_waiting_is_frozen_until_it_goes_on(
    probes: Probes, queue: Queue, redis_url: str, clock: Ahead
) -> None:
    watched = probes(WorkerHeartbeat, max_silence="90s")
    with RealWorker(redis_url) as worker:
        worker.freeze()
        queue.enqueue(rq_jobs.quick)
        assert watched.passes()  # not yet longer than it may be silent
        clock.by = 120
        reason = watched.reason()
        assert reason.startswith(
            "frozen: the worker gave no sign for over 1 min 30 s, though still connected; "
        )
        assert "was last seen 2 min" in reason
        assert "1 job waits, the oldest for 2 min" in reason
        worker.thaw()
        wait_for(watched.passes, what="recovery")


def test_a_job_that_a_frozen_worker_took_is_seen_though_the_queue_is_empty(
    probes: Probes, queue: Queue, redis_url: str, client: redis_library.Redis, clock: Ahead
) -> None:
    with RealWorker(redis_url) as worker:
        wait_for(
            lambda: b"blmove" in str(client.client_list()).encode(), what="the worker's waiting for a job"
        )
        worker.freeze()
        queue.enqueue(rq_jobs.quick)
        assert client.llen(queue.key) == 0
        clock.by = 120
        assert probes(QueueDepth).probe().details["in_dequeue"] == 1
        assert probes(WorkerHeartbeat).reason().startswith("frozen: ")


def test_a_job_whose_worker_died_before_it_began_it_is_abandoned_beside_the_next_worker(
    probes: Probes, queue: Queue, redis_url: str, client: redis_library.Redis
) -> None:
    watched = probes(WorkerHeartbeat, max_silence=0.5)
    with RealWorker(redis_url) as worker:
        wait_for(
            lambda: b"blmove" in str(client.client_list()).encode(), what="the worker's waiting for a job"
        )
        worker.freeze()
        lost = queue.enqueue(rq_jobs.quick)
        wait_for(lambda: watched().output.startswith("frozen: "), what="the fall")
        worker.kill()
    client.delete(*client.smembers("rq:workers:default"))
    with RealWorker(redis_url):
        wait_for(lambda: not watched().output.startswith("dead: "), what="the next worker")
        told = "abandoned: a taken job has lost the worker, and nobody has taken care of that yet"
        wait_for(lambda: watched().output == told, what="the warning")
        assert watched().status is Status.WARN
        assert watched().details["lost"] == 1
        done = queue.enqueue(rq_jobs.quick)
        wait_for(lambda: done.get_status() == "finished", what="the job's end")
        assert watched().output == told
        client.lrem(queue.intermediate_queue_key, 0, lost.id)  # as RQ does in its own time
        wait_for(watched.passes, what="recovery")


def stamp(moment: float) -> str:
    """Return epoch seconds as RQ writes them."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(moment))


def test_a_killed_worker_fails_once_work_waits_or_its_key_is_gone(
    probes: Probes, queue: Queue, redis_url: str, client: redis_library.Redis, clock: Ahead
) -> None:
    watched = probes(WorkerHeartbeat)
    with RealWorker(redis_url) as worker:
        worker.kill()
        clock.by = 120
        assert watched.passes()
        queue.enqueue(rq_jobs.quick)
        clock.by = 240
        assert "gave no sign for over 1 min 30 s, and is no longer connected; " in watched.reason()
        client.delete(*client.smembers("rq:workers:default"))
        assert watched.reason().startswith(
            "dead: no worker is registered for the queue default; 1 ended without"
        )
    with RealWorker(redis_url):
        clock.by = 0
        wait_for(watched.passes, what="recovery by a new worker")


def test_a_worker_that_ends_in_peace_leaves_nobody(probes: Probes, redis_url: str) -> None:
    watched = probes(WorkerHeartbeat)
    with RealWorker(redis_url) as worker:
        assert watched.passes()
        worker.stop()
        assert watched.reason() == "dead: no worker is registered for the queue default"


def test_a_worker_busy_within_the_jobs_time_passes(
    probes: Probes, queue: Queue, redis_url: str, tmp_path: Path
) -> None:
    watched = probes(WorkerHeartbeat)
    with RealWorker(redis_url):
        queue.enqueue(rq_jobs.wait_until, str(tmp_path / "done"))
        wait_for(lambda: is_running(watched), what="the job's start")
        assert watched.passes()
        (tmp_path / "done").touch()
        wait_for(lambda: watched().details.get("busy") == 0, what="the job's end")


def test_a_job_past_its_timeout_is_stuck_and_is_named_without_its_arguments(
    probes: Probes,
    queue: Queue,
    redis_url: str,
    tmp_path: Path,
    clock: Ahead,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = probes(WorkerHeartbeat)
    with RealWorker(redis_url):
        job = queue.enqueue(rq_jobs.never_ends, str(tmp_path / SECRET), job_timeout=30)
        wait_for(lambda: is_running(watched), what="the job's start")
        clock.by = 40
        reading = watched()
        assert reading.status is Status.FAIL
        assert f"has run job {job.id} (tests.healthkit.checks.rq_jobs.never_ends) for 40 s" in reading.output
        assert "(its timeout is 30 s)" in reading.output
        assert_no_secret(reading, caplog)
        (tmp_path / SECRET).touch()
        wait_for(watched.passes, what="recovery")


def test_a_busy_worker_that_breaks_rqs_own_promise_is_frozen_with_its_job_named(
    probes: Probes, queue: Queue, redis_url: str, client: redis_library.Redis, tmp_path: Path, clock: Ahead
) -> None:
    watched = probes(WorkerHeartbeat, max_silence=30)
    with RealWorker(redis_url) as worker:
        job = queue.enqueue(rq_jobs.wait_until, str(tmp_path / "done"), job_timeout=3600)
        wait_for(lambda: is_running(watched), what="the job's start")
        worker.freeze()
        key = next(iter(client.smembers("rq:workers:default")))
        client.expire(key, 50)  # what is left of 90 s after 40 of silence
        clock.by = 40
        reason = watched.reason()
        assert reason.startswith("frozen: the worker gave no sign for over 30 s, though still connected; ")
        assert f"busy with job {job.id} (tests.healthkit.checks.rq_jobs.wait_until)" in reason
        worker.thaw()
        (tmp_path / "done").touch()


def test_a_simple_worker_may_be_silent_for_its_jobs_time(
    probes: Probes, queue: Queue, redis_url: str, tmp_path: Path, clock: Ahead
) -> None:
    watched = probes(WorkerHeartbeat, max_silence=30)
    with RealWorker(redis_url, kind="rq.SimpleWorker"):
        queue.enqueue(rq_jobs.wait_until, str(tmp_path / "done"), job_timeout=600)
        wait_for(lambda: is_running(watched), what="the job's start")
        clock.by = 300
        assert watched.passes()
        (tmp_path / "done").touch()


def test_a_worker_that_promises_beats_is_held_to_them_though_nothing_waits(
    probes: Probes, redis_url: str, clock: Ahead
) -> None:
    watched = probes(WorkerHeartbeat, max_silence="90s")
    kind = "healthkit.workers.rq.HeartbeatWorker"
    with RealWorker(
        redis_url, kind=kind, HEALTHKIT_PING_URL=f"http://127.0.0.1:{free_port()}/ping/x/y"
    ) as worker:
        wait_for(watched.passes, what="the first beat")
        worker.freeze()
        clock.by = 120
        assert watched.reason().startswith("frozen: the worker gave no sign for over 1 min 30 s, ")
        worker.thaw()
        clock.by = 0
        wait_for(watched.passes, what="recovery")


def test_one_silent_worker_beside_a_live_one_warns(
    probes: Probes, redis_url: str, client: redis_library.Redis, clock: Ahead
) -> None:
    watched = probes(WorkerHeartbeat)
    with RealWorker(redis_url):
        client.sadd("rq:workers:default", "rq:worker:other")
        client.hset("rq:worker:other", mapping={"last_heartbeat": stamp(0), "healthkit_beat": "30"})
        reading = watched()
        assert reading.status is Status.WARN
        assert reading.output.startswith("silent: 1 of 2 workers; other was last seen ")


def test_suspended_workers_warn(probes: Probes, redis_url: str, client: redis_library.Redis) -> None:
    with RealWorker(redis_url):
        client.set("rq:suspended", 1)
        reading = probes(WorkerHeartbeat)()
        assert reading.status is Status.WARN
        assert reading.output.startswith("suspended: ")


def test_after_a_flush_the_workers_are_missed(
    probes: Probes, redis_url: str, client: redis_library.Redis
) -> None:
    watched = probes(WorkerHeartbeat)
    with RealWorker(redis_url):
        assert watched.passes()
        client.flushdb()
        assert watched.reason().startswith("dead: no worker ")


def test_reading_a_queue_changes_nothing_in_redis(
    probes: Probes, queue: Queue, client: redis_library.Redis, redis_url: str
) -> None:
    queue.enqueue(rq_jobs.quick)
    client.sadd("rq:workers:default", "rq:worker:ghost")
    before = {key: client.dump(key) for key in client.scan_iter()}
    probes(WorkerHeartbeat)()
    probes(QueueDepth)()
    assert {key: client.dump(key) for key in client.scan_iter()} == before


def test_a_canary_goes_through_the_queue_and_comes_back(probes: Probes, redis_url: str, clock: Ahead) -> None:
    watched = probes(QueueCanary, every=1)
    assert watched().details == {"sent": "the first one is under way"}
    with RealWorker(redis_url):
        wait_for(lambda: watched().value is not None, what="the canary's return")
    reading = watched()
    assert reading.status is Status.PASS
    assert reading.check.key == "canary-default:delay"
    assert 0 <= reading.value < 30
    assert reading.unit == "s"


def test_a_canary_that_is_not_back_in_time_fails_until_a_worker_runs_it(
    probes: Probes, redis_url: str, queue: Queue, clock: Ahead
) -> None:
    watched = probes(QueueCanary, max_delay="2m")
    assert watched.passes()
    clock.by = 100
    assert watched.passes()
    clock.by = 180
    reason = watched.reason()
    assert reason == "not back: the canary was sent 3 min ago and is still queued (limit 2 min)"
    assert len(queue) == 1  # one at a time, however often it is asked
    with RealWorker(redis_url):
        wait_for(lambda: not len(queue), what="the canary's end")
        wait_for(lambda: not watched().output.startswith("not back"), what="its return")
        clock.by = 260
        wait_for(watched.passes, what="the next canary's return")


def test_a_lost_canary_fails_and_another_is_sent(
    probes: Probes, queue: Queue, client: redis_library.Redis, clock: Ahead
) -> None:
    watched = probes(QueueCanary, max_delay=60)
    assert watched.passes()
    queue.delete(delete_jobs=True)
    client.delete("healthkit:canary:default:turn")
    clock.by = 90
    assert watched.reason().startswith("lost: the canary's job is gone from Redis, 1 min 30 s after")
    assert len(queue) == 1


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize("hole", [black_hole, mute_listener])
def test_a_redis_that_never_answers_is_timed_out_in_time(kind: type[Any], hole: Any, probes: Probes) -> None:
    with hole() as port:
        watched = probes(kind, f"redis://:{SECRET_IN_URL}@127.0.0.1:{port}/0", timeout=1)
        started = time.monotonic()
        assert watched.reason() == "timed out: no answer within the limit"
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("kind", PROBES)
def test_a_refused_port_is_unreachable_and_shows_no_secret(
    kind: type[Any], probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    reading = probes(kind, f"redis://:{SECRET_IN_URL}@127.0.0.1:{free_port()}/0")()
    assert reading.output == "unreachable: connection refused"
    assert_no_secret(reading, caplog)


@pytest.mark.parametrize("kind", PROBES)
def test_an_unknown_host_is_unreachable(kind: type[Any], probes: Probes) -> None:
    watched = probes(kind, "redis://no-such-host.invalid/0", timeout=10)
    assert watched.reason() == "unreachable: the host name is not known"


def test_a_wrong_password_a_freeze_and_a_kill_are_told_apart_and_heal(
    probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisServer(password=SECRET) as server:
        wrong = probes(QueueDepth, f"redis://:{SECRET_IN_URL}-old@127.0.0.1:{server.port}/0")()
        assert wrong.output == "authentication failed: Redis refuses this user or password"
        missing = probes(QueueDepth, f"redis://127.0.0.1:{server.port}/0")()
        assert missing.output == "authentication failed: Redis refuses this user or password"
        watched = probes(QueueDepth, server.url)
        assert watched.passes()
        server.pause()
        frozen = watched()
        server.resume()
        assert frozen.output == "timed out: no answer within the limit"
        assert watched.passes()
        server.kill()
        assert watched.reason().startswith("unreachable: ")
        server.start()
        assert watched.passes()
        for reading in (wrong, missing, frozen):
            assert_no_secret(reading, caplog)


def test_the_apps_own_client_is_left_as_it_was(probes: Probes, redis_url: str) -> None:
    with redis_library.Redis.from_url(redis_url, decode_responses=True, socket_timeout=17) as client:
        before = dict(client.connection_pool.connection_kwargs)
        assert probes(QueueDepth, client).passes()
        assert client.connection_pool.connection_kwargs == before
        assert client.connection_pool._get_in_use_connections() == set()
        assert not client.connection_pool._available_connections


def test_a_key_of_another_type_is_told(probes: Probes, client: redis_library.Redis) -> None:
    client.set("rq:queue:default", "not a list")
    assert probes(QueueDepth).reason() == "wrong type: a key of the queue holds something else"


def test_rubbish_in_the_hashes_is_survived(probes: Probes, client: redis_library.Redis) -> None:
    client.sadd("rq:workers:default", "rq:worker:odd", b"rq:worker:\xff")
    client.hset("rq:worker:odd", mapping={"last_heartbeat": "yesterday", "healthkit_beat": "often"})
    client.rpush("rq:queue:default", "gone", b"\xff")
    assert probes(WorkerHeartbeat).reason().startswith("dead: no worker ")
    reading: Reading = probes(QueueDepth)()
    assert (reading.status, reading.value) == (Status.PASS, 2)


@pytest.mark.parametrize(("kind", "options", "words"), [
    (QueueDepth, {"warn": 10, "fail": 5}, "warn=10 is above fail=5"),
    (QueueDepth, {"warn": 0}, "not a number of jobs"),
    (QueueDepth, {"max_age": "old"}, "not a duration"),
    (WorkerHeartbeat, {"max_silence": "soon"}, "not a duration"),
    (WorkerHeartbeat, {"timeout": 0}, "leaves no time"),
    (QueueCanary, {"max_delay": -1}, "not a duration"),
])  # fmt: skip
def test_nonsense_options_are_refused_at_start(kind: type[Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        kind("default", "redis://127.0.0.1", **options)


@pytest.mark.parametrize(("redis", "words"), [
    (f"http://:{SECRET}@host", "not a Redis URL"), (42, "neither a redis client nor a URL"),
])  # fmt: skip
def test_what_is_no_redis_is_refused_without_quoting_it(redis: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        QueueDepth("default", redis)
    assert SECRET not in str(caught.value)
