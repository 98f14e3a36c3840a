"""One check hung for ever, under real servers: bounded answers, other routes unharmed, recovery by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.serving import FLASK, GUNICORN, UVICORN, Kind, Server
from tests.waiting import wait_for

TIMEOUT = 0.5  # as in hung_apps
SLACK = 15.0  # seconds that a loaded machine may add; what hangs here hangs for longer

KINDS = {
    "uvicorn": Kind(UVICORN),
    "uvicorn-async-check": Kind(UVICORN, hangs="async"),
    "gunicorn-sync": Kind([*GUNICORN, FLASK]),
    "gunicorn-sync-async-check": Kind([*GUNICORN, FLASK], hangs="async"),
    "gunicorn-gthread": Kind([*GUNICORN, "-k", "gthread", "--threads", "4", FLASK]),
    "gunicorn-gthread-preload": Kind(
        [*GUNICORN, "-k", "gthread", "--threads", "4", "--preload", FLASK], hangs="async", check_early=True
    ),
    "gunicorn-gevent": Kind([*GUNICORN, "-k", "gevent", FLASK]),
    "gunicorn-gevent-async-check": Kind([*GUNICORN, "-k", "gevent", FLASK], hangs="async"),
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with Server(request.param, tmp_path) as found:
        yield found


def status_of_hung(body: bytes) -> tuple[str, str]:
    checks = json.loads(body)["checks"]
    entries = [checks["hung:status"][0], checks["hung-async:status"][0]]
    bad = next((entry for entry in entries if entry["status"] != "pass"), entries[0])
    return bad["status"], bad.get("output", "")


def settled(server: Server, before: int) -> int:
    """Return how many threads there are once only the scheduler's and the background check's are new."""
    found = server.threads()
    return found if found <= before + 2 else 0


def test_a_hung_check_harms_nothing_and_recovers(server: Server) -> None:
    for _ in range(3):
        server.get_many("/", 40, at_once=16)  # the server's own threads are started by now
    before = server.threads()
    assert server.get("/health")[0] == 200
    usual = wait_for(lambda: settled(server, before), 20, "the end of idle threads")
    with server.hanging():
        first = server.get("/health")
        assert first[0] == 503
        assert status_of_hung(first[1]) == ("fail", "no answer within 0.5 s (limit 0.5 s)")
        assert first[2] < TIMEOUT + SLACK
        answers = server.get_many("/health", 50, at_once=5)
        assert {answer[0] for answer in answers} == {503}
        assert all(status_of_hung(answer[1])[1].startswith("still running for") for answer in answers)
        assert max(answer[2] for answer in answers) < TIMEOUT + SLACK
        pages = server.get_many("/", 50, at_once=5)
        assert {page[0] for page in pages} == {200}
        assert max(page[2] for page in pages) < SLACK
        assert server.get("/health/live")[0] == 200
        wait_for(lambda: server.threads() <= usual + 1, what="one thread more at most")
    wait_for(lambda: server.get("/health")[0] == 200, what="recovery")
    wait_for(lambda: server.threads() <= usual, what="no thread left behind")


def test_the_server_stops_at_once_with_a_hung_check(server: Server) -> None:
    with server.hanging():
        assert server.get("/health")[0] == 503
        server.process.terminate()
        server.process.wait(20)  # what hangs does so for longer


def test_two_hundred_callers_at_once_cause_one_run_a_freshness_period(server: Server) -> None:
    before = len(server.runs.read_text().splitlines())
    answers = server.get_many("/health/checks/counted", 200, at_once=200)
    assert {answer[0] for answer in answers} == {200}
    assert len(server.runs.read_text().splitlines()) == before + 1
