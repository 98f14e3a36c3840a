"""Every server that an app may run under: answers, background runs in the serving process, a quick end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthkit import wire
from healthkit.status import Status
from tests.e2e.serving import FASTAPI, FLASK, GUNICORN, UVICORN, Kind, Server, program, script
from tests.waiting import wait_for

UWSGI = script(
    "uwsgi", "--http-socket", "127.0.0.1:0", "--master", "--die-on-term", "--need-app", "--wsgi", FLASK
)
GRANIAN = script("granian", "--host", "127.0.0.1", "--port", "{port}")

KINDS = {
    "gunicorn-sync": Kind([*GUNICORN, FLASK]),
    "gunicorn-gthread": Kind([*GUNICORN, "-k", "gthread", "--threads", "4", FLASK]),
    "gunicorn-gevent": Kind([*GUNICORN, "-k", "gevent", FLASK]),
    "gunicorn-gthread-preload": Kind(
        [*GUNICORN, "-k", "gthread", "--threads", "4", "--preload", FLASK], check_early=True
    ),
    "gunicorn-sync-preload": Kind([*GUNICORN, "--preload", FLASK], check_early=True),
    "uwsgi-threads": Kind([*UWSGI, "--enable-threads", "--threads", "2"]),
    "uwsgi-prefork": Kind([*UWSGI, "--enable-threads", "--processes", "1"], check_early=True),
    "uwsgi-lazy": Kind([*UWSGI, "--enable-threads", "--lazy-apps"]),
    "uvicorn": Kind(UVICORN),
    "uvicorn-workers": Kind([*UVICORN, "--workers", "1", "--timeout-graceful-shutdown", "1"]),
    "hypercorn": Kind(program("hypercorn", "--bind", "127.0.0.1:0", FASTAPI)),
    "granian-asgi": Kind([*GRANIAN, "--interface", "asgi", FASTAPI]),
    "granian-wsgi": Kind([*GRANIAN, "--interface", "wsgi", FLASK]),
    "flask": Kind(program("flask", "--app", FLASK, "run", "--port", "0")),
}


@pytest.fixture(scope="module", params=list(KINDS.values()), ids=list(KINDS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One of each kind, for all tests of the kind: the last of them ends it."""
    with Server(request.param, tmp_path_factory.mktemp("server")) as found:
        yield found


def document(server: Server, path: str = "/health") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.ask(path).body)
    return found


def test_a_server_answers_in_every_way_there_is(server: Server) -> None:
    whole = server.ask("/health?nonce=abc")
    understood = wire.parse(whole.body)
    assert (whole.status, understood.status, understood.nonce) == (200, Status.PASS, "abc")
    assert whole.headers["content-type"] == "application/health+json"
    assert {server.ask(f"/health/{path}").status for path in ("live", "ready", "startup", "background")} == {
        200
    }
    assert server.ask("/health/nope").status == 404
    assert server.ask("/health", Accept="text/html").body.startswith(b"<!doctype html>")
    tag = server.ask("/health/live").headers["etag"]
    same = server.ask("/health/live", If_None_Match=tag)
    assert (same.status, same.body) == (304, b"")


def test_background_checks_run_in_the_process_that_serves(server: Server) -> None:
    document(server)
    serving = int(document(server)["instance"].rpartition(":")[2])
    assert serving in (server.process.pid, *server.workers())

    def beats() -> int:
        pid, count = document(server, "/health/checks/beat")["checks"]["beat:status"][0]["observedValue"]
        assert pid == serving
        return int(count)

    first = beats()
    wait_for(lambda: beats() >= first + 3, what="three runs without a caller")


def test_a_hung_check_is_bounded_and_the_server_ends_at_once(server: Server) -> None:
    with server.hanging():
        assert server.get("/health")[0] == 503  # or it would hang for longer than the caller waits
        assert server.get("/health/live")[0] == 200
        server.process.terminate()
        server.process.wait(20)


def test_uwsgi_without_threads_runs_checks_when_somebody_asks(tmp_path: Path) -> None:
    with Server(Kind(UWSGI), tmp_path) as server:
        assert server.ask("/health").status == 200
        with server.hanging():
            assert server.get("/health")[0] == 503
        wait_for(lambda: server.ask("/health").status == 200, what="recovery")
