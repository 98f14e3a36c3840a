"""What is particular to Celery: priorities, unacknowledged messages, several workers, beat, RabbitMQ."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import redis as redis_library

from examples.rabbitmq import RabbitMQServer, rabbitmq_script
from examples.servers import ServerError, free_port
from healthkit.checks.celery import BeatHeartbeat, QueueDepth, WorkerHeartbeat
from healthkit.errors import ConfigurationError
from healthkit.model import Reading
from tests.healthkit.checks.queues import apps
from tests.healthkit.checks.queues.rigs import Celery, Process
from tests.healthkit.checks.support import SECRET_IN_URL, Watched, assert_no_secret
from tests.waiting import wait_for

RABBITMQ = "HEALTHKIT_TEST_RABBITMQ_URL"


def missing_rabbitmq() -> str:
    """Return why there is no RabbitMQ to test with; empty where there is one."""
    try:
        if not os.environ.get(RABBITMQ):
            rabbitmq_script()
    except ServerError as error:
        return f"{error}, or set {RABBITMQ}=amqp://..."
    return ""


@pytest.fixture(scope="module")
def rabbitmq_url() -> Iterator[str]:
    """A RabbitMQ of this module alone, or the one that the environment names."""
    if given := os.environ.get(RABBITMQ):
        yield given
        return
    with RabbitMQServer() as server:
        yield server.url


needs_rabbitmq = pytest.mark.skipif(bool(missing_rabbitmq()), reason=missing_rabbitmq())


class Ahead:
    """A clock that can be put ahead of the real one."""

    by = 0.0

    def __call__(self) -> float:
        return time.time() + self.by


def test_the_lists_of_all_priorities_count(redis_url: str) -> None:
    rig = Celery(redis_url, Path())
    for priority in (0, 3, 6, 9):
        rig.app.send_task("shop.quick", priority=priority)
    assert Watched(rig.depth())().value == 4


def test_a_prefix_and_a_timestamp_header_are_heeded(redis_url: str) -> None:
    app = apps.celery_app(redis_url)
    app.conf.broker_transport_options = {"global_keyprefix": "shop:"}
    app.send_task("shop.quick", headers={"timestamp": time.time() - 600})
    reading = Watched(QueueDepth("celery", app, max_age="5m"))()
    assert reading.output == "too old: the oldest job has waited 10 min (limit 5 min); 1 job waits"


def in_hand(reading: Reading) -> bool:
    """Tell whether nothing waits, and a worker holds one message unacknowledged."""
    return bool(reading.value == 0 and reading.details["unacked"] == 1)


def test_what_workers_hold_is_told_beside(redis_url: str, tmp_path: Path) -> None:
    rig = Celery(redis_url, tmp_path)
    depth = Watched(rig.depth())
    with rig.worker():
        rig.hang()  # acknowledged as it begins
        rig.quick()  # fetched ahead
        wait_for(lambda: in_hand(depth()), timeout=40, what="the message in hand")
        assert depth().details["unacked_age"] < 60
        Path(rig.gate).touch()


def test_a_worker_of_another_queue_is_none_of_this_one(redis_url: str, tmp_path: Path) -> None:
    rig = Celery(redis_url, tmp_path)
    other = Watched(WorkerHeartbeat("reports", rig.app))
    heart = Watched(rig.heartbeat(max_silence=60, stalled_after=60))
    with rig.worker():
        wait_for(heart.passes, timeout=40, what="the worker")
        assert other.reason() == "dead: no worker is registered for the queue reports"


def test_one_of_two_workers_killed_warns(redis_url: str, tmp_path: Path) -> None:
    rig = Celery(redis_url, tmp_path)
    clock = Ahead()
    heart = Watched(rig.heartbeat(max_silence=60, stalled_after=600, clock=clock))
    with rig.worker() as one, second(rig) as _:
        wait_for(lambda: heart().details.get("workers") == 2, timeout=60, what="both workers")
        one.kill()
        clock.by = 70
        wait_for(lambda: heart().output.startswith("silent: 1 of 2 workers"), what="the warning")
        clock.by = 200
        wait_for(lambda: heart().details.get("workers") == 1, what="its being forgotten")
        assert heart.passes()


def second(rig: Celery) -> Process:
    """Return a second worker, by another name."""
    worker = rig.worker()
    worker._command += ["-n", "second@%h"]
    return worker


def test_beat_is_watched_by_the_file_it_saves(redis_url: str, tmp_path: Path) -> None:
    clock = Ahead()
    where = tmp_path / "celerybeat-schedule"
    watched = Watched(BeatHeartbeat(where, max_silence=60, clock=clock))
    assert watched.reason() == "dead: beat has left no schedule file where this check looks"
    environ = {apps.URL: redis_url, "HEALTHKIT_TEST_QUEUE_KIND": "celery"}
    command = ["celery", "-A", "tests.healthkit.checks.queues.apps:app", "beat", "-s", str(where)]
    with Process([*command, "--pidfile="], **environ) as beat:
        wait_for(watched.passes, timeout=30, what="the first save")
        depth = Watched(QueueDepth("celery", apps.celery_app(redis_url)))
        wait_for(lambda: depth().value > 2, timeout=30, what="beat's tasks")
        beat.kill()
        clock.by = 70
        assert watched.reason().startswith("silent: beat saved its schedule 1 min 1")


def test_what_is_no_app_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a str is no Celery app"):
        QueueDepth("celery", "redis://127.0.0.1/0")


def test_limits_that_rabbitmq_cannot_tell_are_refused() -> None:
    app = import_module("celery").Celery("shop", broker="amqp://guest@127.0.0.1//")
    with pytest.raises(ConfigurationError, match="max_age cannot be judged: this broker does not show"):
        QueueDepth("celery", app, max_age="5m")


def test_a_rabbitmq_that_is_not_there_is_unreachable(caplog: pytest.LogCaptureFixture) -> None:
    broker = f"amqp://guest:{SECRET_IN_URL}@127.0.0.1:{free_port()}//"
    app = import_module("celery").Celery("shop", broker=broker)
    for probe in (QueueDepth("celery", app), WorkerHeartbeat("celery", app)):
        reading = Watched(probe)()
        assert reading.output == "unreachable: connection refused"
        assert_no_secret(reading, caplog)


@pytest.fixture
def on_rabbitmq(rabbitmq_url: str, tmp_path: Path) -> Iterator[Celery]:
    """The rig on a real RabbitMQ, its queue emptied before and after."""
    rig = Celery(rabbitmq_url, tmp_path)
    with rig.app.connection_for_write() as connection:
        rig.app.amqp.queues["celery"](connection.default_channel).declare()
    rig.app.control.purge()
    yield rig
    rig.app.control.purge()


@needs_rabbitmq
@pytest.mark.timeout(240)  # the server's start included
def test_rabbitmq_a_queue_is_counted_and_grows(on_rabbitmq: Celery) -> None:
    clock = Ahead()
    watched = Watched(on_rabbitmq.depth(clock=clock, growth_window="10m", fail=22))
    for minute in range(11):
        clock.by = minute * 60
        output = watched().output
        assert output.startswith("growing: by 2 jobs/min for 10 min; 20 jobs wait") == (minute == 10), output
        for _ in range(2):
            on_rabbitmq.quick()
        wait_for(lambda n=minute: watched.probe.read(0).waiting == 2 * n + 2, what="the messages")  # type: ignore[misc]
    assert watched.reason() == "too deep: 22 jobs wait (limit 22)"
    assert watched().details["consumers"] == 0


@needs_rabbitmq
@pytest.mark.timeout(240)  # the server's start included
def test_rabbitmq_a_queue_that_is_not_there_and_a_wrong_password_are_told(
    on_rabbitmq: Celery, rabbitmq_url: str
) -> None:
    assert Watched(QueueDepth("none", on_rabbitmq.app)).reason() == "missing: the broker has no queue none"
    scheme, _, rest = rabbitmq_url.partition("://")
    wrong = f"{scheme}://nobody:wrong@{rest.rpartition('@')[2]}"
    app = import_module("celery").Celery("shop", broker=wrong)
    assert Watched(QueueDepth("celery", app)).reason().startswith("authentication failed: ")


@needs_rabbitmq
@pytest.mark.timeout(240)  # the server's start included
def test_rabbitmq_workers_stopped_hung_and_idle_are_told(on_rabbitmq: Celery) -> None:
    heart = Watched(on_rabbitmq.heartbeat(max_silence=2, stalled_after=3))
    with on_rabbitmq.worker() as worker:
        wait_for(lambda: heart().details.get("state") == "idle", timeout=60, what="the worker")
        worker.freeze()
        wait_for(lambda: heart().output.startswith("silent: "), what="silence")
        worker.thaw()
        wait_for(heart.passes, timeout=20, what="recovery")
        on_rabbitmq.hang()
        for _ in range(4):
            on_rabbitmq.quick()
        wait_for(lambda: heart().output.startswith("stalled: "), timeout=20, what="standstill")
        assert "(shop.hang)" in heart().output
        Path(on_rabbitmq.gate).touch()
        wait_for(heart.passes, timeout=20, what="recovery")


@pytest.fixture(autouse=True)
def _fresh(redis_url: str) -> Iterator[None]:
    """Leave nothing of one test's broker to the next."""
    yield
    import_module("kombu.pools").reset()
    with redis_library.Redis.from_url(redis_url) as client:
        client.flushdb()
