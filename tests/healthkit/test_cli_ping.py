"""`healthkit ping`, `healthkit demo` and the command around them, as they are typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.recording import Answer, RecordingServer, black_hole, refused_url

RID = "5d5a2e4c-8a52-4f2f-b3b5-0d1d8f1d9c11"


def healthkit(
    *arguments: str, folder: Path, stdin: bytes = b"", environ: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "healthkit", *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, "HEALTHKIT_STATE_DIR": str(folder), **environ},
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ((), "/ping/key/job"),
        (("success",), "/ping/key/job"),
        (("start",), "/ping/key/job/start"),
        (("fail",), "/ping/key/job/fail"),
        (("log",), "/ping/key/job/log"),
        (("0",), "/ping/key/job"),
        (("255",), "/ping/key/job/255"),
    ],
)
def test_every_kind_of_ping_is_delivered_in_silence(kind: tuple[str, ...], path: str, tmp_path: Path) -> None:
    with RecordingServer() as server:
        done = healthkit("ping", f"{server.url}/ping/key/job", *kind, folder=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert server.paths() == [path]


def test_body_rid_and_figures_go_along(tmp_path: Path) -> None:
    with RecordingServer() as server:
        url = f"{server.url}/ping/key/job"
        healthkit("ping", url, "fail", "-b", "it broke", "--rid", RID, folder=tmp_path)
        healthkit("ping", url, "--body", "-", folder=tmp_path, stdin=b"x" * 20_000 + b" the end \xff")
        healthkit("ping", url, "--processed", "12", "--backlog", "3", folder=tmp_path)
    broken, read, figures = server.requests
    assert (broken.body, broken.query) == (b"it broke", {"rid": RID})
    assert len(read.body) <= 10_000
    assert read.body.decode().endswith(" the end \ufffd")
    assert figures.json() == {"processed": 12, "backlog": 3}


@pytest.mark.parametrize("trouble", ["down", "black hole", "503", "tls"])
def test_what_is_not_delivered_is_said_kept_and_delivered_by_the_next(trouble: str, tmp_path: Path) -> None:
    begun = time.time()
    with RecordingServer(default=Answer(503), tls=trouble == "tls") as server, black_hole() as hole:
        url = {"down": refused_url(), "black hole": hole}.get(trouble, server.url)
        done = healthkit("ping", f"{url}/ping/sesame/job", "fail", "--timeout", "1s", folder=tmp_path)
        assert done.returncode == 1
        assert "kept for later" in done.stderr
        assert "sesame" not in done.stderr
        if trouble != "503":
            return
        server.default = Answer()
        server.requests.clear()
        assert healthkit("ping", f"{url}/ping/sesame/job", folder=tmp_path).returncode == 0
    now, kept = server.requests
    assert now.path == "/ping/sesame/job"
    assert kept.path == "/ping/sesame/job/fail"
    assert begun - 1 < kept.json()["at"] < now.at
    assert not list(tmp_path.glob("*.journal"))


def test_a_refused_ping_is_said_and_not_kept(tmp_path: Path) -> None:
    with RecordingServer(default=Answer(404)) as server:
        done = healthkit("ping", f"{server.url}/ping/key/job", folder=tmp_path)
    assert done.returncode == 1
    assert "404: no such heartbeat there" in done.stderr
    assert len(server.requests) == 1
    assert not list(tmp_path.glob("*.journal"))


def test_quiet_is_quiet(tmp_path: Path) -> None:
    done = healthkit("ping", f"{refused_url()}/ping/key/job", "-q", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_the_timeout_holds(tmp_path: Path) -> None:
    with RecordingServer(default=Answer(fault="hang")) as server:
        begun = time.monotonic()
        assert healthkit("ping", f"{server.url}/ping/k/j", "--timeout", "1s", folder=tmp_path).returncode == 1
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "usage"),
        (("pong",), "did you mean 'ping'?"),
        (("ping",), "required: url"),
        (("ping", "checker.example/ping/sesame/x"), "is not http or https"),
        (("ping", "http://checker.example/ping/sesame/x", "256"), "'256' is no kind of ping"),
        (("ping", "http://checker.example/ping/sesame/x", "begin"), "'begin' is no kind of ping"),
        (("ping", "http://checker.example/ping/sesame/x", "--timeout", "soon"), "--timeout: 'soon'"),
        (("demo",), "required"),
    ],
)
def test_bad_usage_is_exit_code_2_and_says_what(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = healthkit(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert says in done.stdout + done.stderr
    assert "sesame" not in done.stdout + done.stderr


def test_help_and_version(tmp_path: Path) -> None:
    assert "exec" in healthkit("--help", folder=tmp_path).stdout
    assert healthkit("--version", folder=tmp_path).stdout.startswith("healthkit 0.")
    assert "exit code" in healthkit("ping", "--help", folder=tmp_path).stdout


def demo_state(folder: Path, **values: object) -> dict[str, str]:
    path = folder / "demo.json"
    path.write_text(json.dumps(values))
    return {"HEALTHKIT_DEMO_STATE": str(path)}


def test_the_demo_is_asked_with_its_token_and_its_answer_printed(tmp_path: Path) -> None:
    with RecordingServer(default=Answer(body=b"the database is read-only now\n")) as server:
        environ = demo_state(tmp_path, control=server.url, token="sesame", pid=os.getpid())
        environ["http_proxy"] = "http://proxy.invalid"  # the demo is on this machine: never asked for
        done = healthkit("demo", "break", "database", folder=tmp_path, environ=environ)
        healthkit("demo", "heal", "hung-job", folder=tmp_path, environ=environ)
        healthkit("demo", "list", folder=tmp_path, environ=environ)
    assert (done.returncode, done.stdout) == (0, "the database is read-only now\n")
    assert [(request.method, request.path) for request in server.requests] == [
        ("POST", "/break/database"),
        ("POST", "/heal/hung-job"),
        ("GET", "/faults"),
    ]
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sesame"}


def test_a_fault_that_the_demo_does_not_know_is_exit_code_1(tmp_path: Path) -> None:
    with RecordingServer(default=Answer(404, body=b"no fault 'databse'; there is 'database'")) as server:
        environ = demo_state(tmp_path, control=server.url, token="t", pid=os.getpid())
        done = healthkit("demo", "break", "databse", folder=tmp_path, environ=environ)
    assert done.returncode == 1
    assert "there is 'database'" in done.stderr


def test_without_a_running_demo_it_says_how_to_start_one(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    states = [
        {"HEALTHKIT_DEMO_STATE": str(tmp_path / "none.json")},
        demo_state(tmp_path, control="http://127.0.0.1:1", token="t", pid=gone.pid),
    ]
    for environ in states:
        done = healthkit("demo", "list", folder=tmp_path, environ=environ)
        assert done.returncode == 1
        assert "make demo" in done.stderr
    environ = demo_state(tmp_path, control=refused_url(), token="t", pid=os.getpid())
    assert "does not answer" in healthkit("demo", "list", folder=tmp_path, environ=environ).stderr
    (tmp_path / "demo.json").write_text("{")
    assert "cannot be read" in healthkit("demo", "list", folder=tmp_path, environ=environ).stderr
