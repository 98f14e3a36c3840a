"""RQ jobs that tell their runs by one setting: real workers of every kind, each way that a job can end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from rq import Queue, Repeat, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from healthkit.workers._rq_runs import job_name
from tests.healthkit.workers import jobs
from tests.healthkit.workers.programs import body, one_run, pings, wait_for_pings
from tests.healthkit.workers.test_rq import CLASSES, worker
from tests.recording import RecordingServer
from tests.waiting import wait_for

PREFIX = "tests-healthkit-workers-jobs"


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    with redis_library.Redis.from_url(redis_url) as client:
        yield Queue(connection=client)


def telling(checker: RecordingServer) -> dict[str, str]:
    """What makes jobs tell their runs, and the worker nothing."""
    return {"HEALTHKIT_JOBS_URL": f"{checker.url}/ping/key", "HEALTHKIT_PING_URL": ""}


def paths(checker: RecordingServer) -> set[str]:
    return {request.path.split("/")[3] for request in checker.requests}


@pytest.mark.parametrize("kind", CLASSES)
def test_jobs_tell_their_start_and_how_they_ended(
    kind: str, redis_url: str, queue: Queue, checker: RecordingServer, tmp_path: Path
) -> None:
    queue.enqueue(jobs.add, 20, 22)
    queue.enqueue(jobs.add, 20, 22, result_ttl=0)  # gone as soon as it is done
    queue.enqueue(jobs.fail)
    queue.enqueue(jobs.sleep, 0, repeat=Repeat(times=1))
    queue.enqueue(jobs.flaky, str(tmp_path / "once"), retry=Retry(max=1))
    with worker(redis_url, tmp_path, "--burst", kind=kind, **telling(checker)) as process:
        assert process.wait(60) == 0
        wait_for_pings(checker, f"{PREFIX}-add", "/start", "", "/start", "")
        wait_for_pings(checker, f"{PREFIX}-fail", "/start", "/fail")
        wait_for_pings(checker, f"{PREFIX}-sleep", "/start", "", "/start", "")
        wait_for_pings(checker, f"{PREFIX}-flaky", "/start", "/log", "/start", "")
    assert "RuntimeError: as asked" in body(checker, f"{PREFIX}-fail/fail")
    assert "will be tried again" in body(checker, f"{PREFIX}-flaky/log")
    assert one_run(checker, f"{PREFIX}-flaky")
    assert len(paths(checker)) == 4, "the worker itself has no URL"


def test_a_job_whose_process_is_killed_is_told_by_the_worker(
    redis_url: str, queue: Queue, checker: RecordingServer, tmp_path: Path
) -> None:
    queue.enqueue(jobs.die)
    with worker(redis_url, tmp_path, "--burst", **telling(checker)) as process:
        assert process.wait(60) == 0
    wait_for_pings(checker, f"{PREFIX}-die", "/start", "/fail")
    assert "Work-horse terminated unexpectedly" in body(checker, f"{PREFIX}-die/fail")


def test_a_job_that_ends_with_its_worker_is_a_failure(
    redis_url: str, queue: Queue, checker: RecordingServer, tmp_path: Path
) -> None:
    job = queue.enqueue(jobs.sleep, 300)
    with worker(redis_url, tmp_path, **telling(checker)) as process:
        wait_for(lambda: job.get_status(refresh=True) == "started", 60, "its start")
        process.send_signal(signal.SIGINT)  # twice: RQ's own meaning of "at once"
        log = tmp_path / "worker.log"
        wait_for(lambda: "warm shut down requested" in log.read_text(), 30, "the first of both")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)  # within a second RQ takes the other for the same
        process.send_signal(signal.SIGINT)
        process.wait(60)
        wait_for_pings(checker, f"{PREFIX}-sleep", "/start", "/fail")


def test_jobs_of_a_pool_tell_too_beside_its_workers_beats(
    redis_url: str, queue: Queue, checker: RecordingServer, tmp_path: Path
) -> None:
    todo = [queue.enqueue(jobs.add, number, 1) for number in range(4)]
    given = telling(checker) | {"HEALTHKIT_PING_URL": f"{checker.url}/ping/key/worker"}
    with worker(redis_url, tmp_path, "--num-workers", "2", command="worker-pool", **given):
        wait_for(lambda: pings(checker, f"{PREFIX}-add").count("") == len(todo), 60, "the runs")
    assert pings(checker, f"{PREFIX}-add").count("/start") == len(todo)


def test_a_checker_in_trouble_changes_nothing_for_the_jobs(
    trouble: str, redis_url: str, queue: Queue, tmp_path: Path
) -> None:
    todo = [queue.enqueue(jobs.add, number, 1) for number in range(5)]
    with worker(redis_url, tmp_path, "--burst", HEALTHKIT_JOBS_URL=trouble) as process:
        assert process.wait(60) == 0
    assert [job.return_value(refresh=True) for job in todo] == list(range(1, 6))


class Untouched:
    """An argument that must not be unpickled in the worker."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("unpickled",))


class Reversing:
    """A serializer of a user's own."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return JSONSerializer.dumps(value)[::-1]  # type: ignore[no-any-return, no-untyped-call]

    @staticmethod
    def loads(data: bytes) -> Any:
        return JSONSerializer.loads(data[::-1])  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("serializer", [None, JSONSerializer, Reversing])
def test_a_jobs_name_is_read_whatever_it_is_packed_with(serializer: Any, redis_url: str) -> None:
    with redis_library.Redis.from_url(redis_url) as client:
        args: Any = (Untouched(),) if serializer is None else ("x",)
        job = Job.create("shop.tasks.bill", args=args, connection=client, serializer=serializer)
        job.save()
        again = Job.fetch(job.id, connection=client, serializer=serializer)
        assert job_name(again) == "shop.tasks.bill"


def test_a_job_that_cannot_be_read_has_no_name(redis_url: str) -> None:
    with redis_library.Redis.from_url(redis_url) as client:
        job = Job.create("shop.tasks.bill", connection=client)
        job.data = b"\x00 of another world"
        assert job_name(job) == ""
