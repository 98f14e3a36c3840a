"""The background sender on a real server that is up, down, slow or gone: nothing is lost, nobody waits."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthkit import pings, transport
from healthkit.errors import ConfigurationError
from healthkit.exchange import Line, Unreachable, worth_retrying
from healthkit.journal import Journal, Record
from healthkit.pings import Ping, Request
from healthkit.sender import Sender, backoff, patience
from tests.recording import CERTIFICATE, Answer, RecordingServer, black_hole, refused_url
from tests.waiting import wait_for

GET = Request("GET", "/ping/x", {}, None)


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as running:
        yield running


def ping(base: str, suffix: str = "", at: float | None = None, **more: Any) -> Ping:
    return Ping(pings.target(f"{base}/ping/key/job"), suffix, time.time() if at is None else at, **more)


def once(base: str, request: Request, timeout: float = 5.0) -> int:
    with contextlib.closing(Line(base)) as line:
        return line.send(request, timeout).status


def journaled(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in folder.glob("*.journal")
        for line in path.read_text().splitlines()
        if line
    ]


def sender(base: str, folder: Path) -> Sender:
    return Sender(base, Journal(folder, base))


# the URL


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (17, "int"),
        ("checker.example/ping/secret-key/x", "scheme"),
        ("ftp://checker.example/ping/secret-key/x", "scheme 'ftp'"),
        ("https:///ping/secret-key/x", "names no host"),
        ("https://checker.example", "has no path"),
        ("https://checker.example:port/ping/secret-key", "cannot be read"),
        ("https://checker.example/ping/secret-key/a b", "space"),
        ("https://checker.example/ping/secret-key/a\r\nX: y", "control character"),
    ],
)
def test_a_bad_url_is_refused_without_showing_its_key(url: object, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        pings.target(url)
    assert "secret-key" not in str(caught.value)


def test_what_is_shown_of_a_url_holds_no_secret() -> None:
    uuid = "5d5a2e4c-8a52-4f2f-b3b5-0d1d8f1d9c11"
    for url in (
        f"https://u:pw@checker.example/ping/{uuid}",
        "https://checker.example/ping/sesame/nightly?api=pw",
    ):
        target = pings.target(url)
        assert "checker.example" in target.shown
        for secret in (uuid, "sesame", "pw"):
            assert secret not in target.shown + repr(target)
    assert pings.target("https://checker.example/ping/sesame/nightly").shown.endswith("/ping/.../nightly")


# one exchange


def test_a_ping_without_words_is_a_plain_get_and_one_with_words_a_post(server: RecordingServer) -> None:
    line = Line(server.url)
    for each in (ping(server.url, rid="r-1"), ping(server.url, "/fail", output="it broke: é")):
        assert line.send(pings.request(each, late=False), 5).status == 200
    late = ping(server.url, "/3", at=1234.5, output="old", figures={"processed": 3})
    line.send(pings.request(late, late=True), 5)
    line.close()
    plain, worded, journaled = server.requests
    assert (plain.method, plain.target, plain.body) == ("GET", "/ping/key/job?rid=r-1", b"")
    assert (worded.method, worded.path, worded.body.decode()) == ("POST", "/ping/key/job/fail", "it broke: é")
    assert journaled.json() == {"processed": 3, "at": 1234.5, "output": "old"}
    assert journaled.headers["content-type"] == "application/json"


def test_the_query_and_credentials_of_the_url_are_kept(server: RecordingServer) -> None:
    base = server.url.replace("http://", "http://user:p%40ss@")
    target = pings.target(f"{base}/ping/key/job?create=1")
    once(target.origin, pings.request(Ping(target, "/start", 0.0, "r-1"), late=False))
    request = server.requests[0]
    assert request.target == "/ping/key/job/start?create=1&rid=r-1"
    assert request.headers["authorization"] == "Basic dXNlcjpwQHNz"


@pytest.mark.parametrize("fault", ["hang", "drip", "reset"])
def test_the_deadline_of_an_exchange_holds_whatever_the_server_does(fault: str) -> None:
    with RecordingServer(default=Answer(fault=fault)) as server:
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            once(server.url, GET, 0.5)
        assert time.monotonic() - begun < 2


def test_a_black_hole_and_a_refusal_are_unreachable() -> None:
    with black_hole() as base, pytest.raises(Unreachable, match="no answer in time"):
        once(base, GET, 0.3)
    with pytest.raises(Unreachable, match="refused"):
        once(refused_url(), GET, 5)
    with pytest.raises(Unreachable):
        once("http://no-such-host.invalid", GET, 5)


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    with RecordingServer(tls=True) as server:
        with pytest.raises(Unreachable, match="certificate refused"):
            once(server.url, GET, 5)
        assert server.requests == []


def test_a_certificate_of_an_authority_that_the_environment_names_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with RecordingServer(tls=True) as server:
        run(SCRIPT, tmp_path, server.url.replace("127.0.0.1", "localhost"), "0")
    assert server.paths() == ["/ping/key/job/start", "/ping/key/job"]


def test_a_connection_that_ended_unseen_is_opened_again(server: RecordingServer) -> None:
    line = Line(server.url)
    server.then(Answer(), Answer(fault="reset"), Answer())
    assert line.send(GET, 5).status == 200
    assert line.send(GET, 5).status == 200
    line.close()
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_followed_with_the_same_method_and_body(server: RecordingServer, status: int) -> None:
    with RecordingServer(Answer(status, headers={"Location": f"{server.url}/moved?x=1"})) as old:
        assert once(old.url, Request("POST", "/ping/x", {"Authorization": "Basic abc"}, b"body")) == 200
    assert (server.requests[0].method, server.requests[0].target) == ("POST", "/moved?x=1")
    assert server.requests[0].body == b"body"
    assert "authorization" not in server.requests[0].headers


def test_redirects_without_end_come_to_one(server: RecordingServer) -> None:
    server.default = Answer(302, headers={"Location": "/ping/x"})
    assert once(server.url, GET, 5) == 302
    assert len(server.requests) == 4


def test_rubbish_instead_of_http_is_unreachable() -> None:
    with RecordingServer(tls=True) as server, pytest.raises(Unreachable):
        once(server.url.replace("https", "http"), GET, 2)


def test_a_proxy_of_the_environment_is_used_and_no_proxy_obeyed(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://me:secret@"))
    monkeypatch.setenv("no_proxy", "direct.invalid")
    assert once("http://checker.invalid", GET, 5) == 200
    assert server.requests[0].target == "http://checker.invalid/ping/x"
    assert server.requests[0].headers["host"] == "checker.invalid"
    assert server.requests[0].headers["proxy-authorization"].startswith("Basic ")
    with pytest.raises(Unreachable):
        once("http://direct.invalid", GET, 5)


# the sender


def test_pings_arrive_in_order(server: RecordingServer, tmp_path: Path) -> None:
    sending = sender(server.url, tmp_path)
    for number in range(50):
        sending.submit(ping(server.url, f"/{number}"))
    assert sending.flush(10)
    assert server.paths() == [f"/ping/key/job/{number}" for number in range(50)]


def test_handing_a_ping_over_takes_microseconds(server: RecordingServer, tmp_path: Path) -> None:
    with black_hole() as base:
        sending = sender(base, tmp_path)
        each = ping(base, "/log")
        costs = []
        for _ in range(500):
            begun = time.perf_counter()
            sending.submit(each)
            costs.append(time.perf_counter() - begun)
    assert sorted(costs)[250] < 50e-6


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_server_in_trouble_is_tried_again_and_told_the_true_time(
    server: RecordingServer, tmp_path: Path, status: int
) -> None:
    server.then(Answer(status), Answer(status))
    sending = sender(server.url, tmp_path)
    begun = time.time() - 60
    sending.submit(ping(server.url, "/start", at=begun, rid="r"))
    sending.submit(ping(server.url, at=begun + 1, rid="r"))
    wait_for(lambda: len(server.requests) >= 4, 20, "both pings")
    wait_for(lambda: not list(tmp_path.glob("*.journal")), what="an empty journal")
    start, success = server.requests[-2:]
    assert (start.path, success.path) == ("/ping/key/job/start", "/ping/key/job")
    assert start.json()["at"] == pytest.approx(begun, abs=0.01)
    assert success.json()["at"] == pytest.approx(begun + 1, abs=0.01)


def test_retry_after_is_honoured(server: RecordingServer, tmp_path: Path) -> None:
    server.then(Answer(503, headers={"Retry-After": "2"}))
    sending = sender(server.url, tmp_path)
    sending.submit(ping(server.url))
    first, second = server.wait_for(2)
    assert second.at - first.at >= 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_a_refused_ping_is_said_once_and_dropped(
    server: RecordingServer, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.default = Answer(status)
    sending = sender(server.url, tmp_path)
    for _ in range(3):
        sending.submit(ping(server.url))
    assert sending.flush(5)
    assert len(server.requests) == 3
    assert not list(tmp_path.glob("*.journal"))
    assert len([entry for entry in caplog.records if "refused" in entry.message]) == 1
    assert str(status) in caplog.text
    assert "key" not in caplog.text.replace("check the key", "")


def test_fleeting_pings_give_way_to_the_latest(server: RecordingServer, tmp_path: Path) -> None:
    sending = sender(server.url, tmp_path)
    for number in range(1000):
        sending.submit(ping(server.url, figures={"processed": number}, fleeting=True))
    wait_for(lambda: server.requests and server.requests[-1].json()["processed"] == 999, what="the last one")
    assert len(server.requests) <= 3
    gaps = [after.at - before.at for before, after in zip(server.requests, server.requests[1:], strict=False)]
    assert all(gap > 0.9 for gap in gaps)


def test_a_flood_towards_a_black_hole_is_bounded_in_memory_and_keeps_every_outcome(tmp_path: Path) -> None:
    with black_hole() as base:
        sending = sender(base, tmp_path)
        for number in range(3000):
            sending.submit(ping(base, "/log", output="x" * 100))
            if number % 100 == 0:
                sending.submit(ping(base, "/fail", rid=str(number)))
        sending.leave()
    kept = journaled(tmp_path)
    assert {entry["rid"] for entry in kept if entry["suffix"] == "/fail"} == {
        str(n) for n in range(0, 3000, 100)
    }
    assert len(kept) <= 1100


def test_what_another_process_left_is_delivered_with_its_time(
    server: RecordingServer, tmp_path: Path
) -> None:
    old = ping(server.url, "/fail", at=time.time() - 3600, rid="old", output="it broke")
    Journal(tmp_path, server.url).append(pings.record(old))
    sender(server.url, tmp_path).submit(ping(server.url, rid="new"))
    first, second = server.wait_for(2)
    assert first.query == {"rid": "new"}
    assert second.path == "/ping/key/job/fail"
    assert second.query == {"rid": "old"}
    assert second.json() == {"at": pytest.approx(old.at, abs=0.01), "output": "it broke"}


def test_one_ping_that_the_server_stumbles_over_does_not_hold_up_the_rest_for_ever(
    server: RecordingServer, tmp_path: Path
) -> None:
    for rid, age in (("poison", 2 * 3600), ("good", 3600)):
        Journal(tmp_path, server.url).append(pings.record(ping(server.url, at=time.time() - age, rid=rid)))
    server.then(Answer(), Answer(500))
    sender(server.url, tmp_path).submit(ping(server.url))
    assert server.wait_for(3)[2].query == {"rid": "good"}
    assert worth_retrying(500, age=60)
    assert worth_retrying(503, age=1e9)


def test_who_leaves_waits_for_what_is_being_written_down_and_does_not_write_it_again(tmp_path: Path) -> None:
    writing, go_on = threading.Event(), threading.Event()

    class Slow(Journal):
        def append(self, entry: Record) -> bool:
            writing.set()
            go_on.wait(20)
            return super().append(entry)

    base = refused_url()
    sending = Sender(base, Slow(tmp_path, base))
    sending.submit(ping(base, "/3"))
    assert writing.wait(20)
    threading.Timer(0.1, go_on.set).start()
    sending.leave()
    assert [entry["suffix"] for entry in journaled(tmp_path)] == ["/3"]


def test_an_unwritable_journal_keeps_pings_in_memory(server: RecordingServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server.then(Answer(500))
    sending = sender(server.url, tmp_path / "file")
    sending.submit(ping(server.url, "/start"))
    sending.submit(ping(server.url))
    server.wait_for(3)
    assert [request.path for request in server.requests[1:]] == ["/ping/key/job/start", "/ping/key/job"]


# leaving


@pytest.mark.parametrize(
    ("state", "worth"),
    [
        ({"answered": True, "age": 5.0}, 1.0),
        ({"answered": True, "age": 30.0}, 1.5),
        ({"answered": True, "age": 9000.0}, 2.0),
        ({"answered": True, "age": 9000.0, "trying_for": 1.5}, 0.5),
        ({"answered": True, "age": 9000.0, "trying_for": 3.0}, 0.0),
        ({"answered": True, "failing": True}, 0.0),
        ({}, 1.0),
        ({"trying_for": 0.4}, 0.6),
        ({"trying_for": 4.0}, 0.0),
        ({"vain": True}, 0.0),
        ({"answered": True, "vain": True}, 1.0),
    ],
)
def test_leaving_waits_only_where_it_is_worth_it(state: dict[str, Any], worth: float) -> None:
    usual = {"answered": False, "failing": False, "vain": False, "trying_for": 0.0, "age": 0.1}
    assert patience(**(usual | state)) == pytest.approx(worth)


def test_backoff_grows_to_a_minute_and_no_further() -> None:
    assert [backoff(attempt, 0) for attempt in (1, 2, 3, 6, 7, 50)] == [1, 2, 4, 32, 60, 60]
    assert backoff(7, 1) == 30


SCRIPT = """
    import sys, time
    from healthkit import pings, transport
    target = pings.target(sys.argv[1] + "/ping/key/job")
    def send(suffix):
        transport.submit(pings.Ping(target, suffix, time.time(), "r"))
    send("/start")
    time.sleep(float(sys.argv[2]))
    send("")
    print(time.monotonic(), flush=True)
"""


def run(script: str, folder: Path, *arguments: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a script that prints the monotonic time of its last line; return what its exit took (seconds)."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env=os.environ | {"HEALTHKIT_STATE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ended = time.monotonic()
    assert done.returncode == 0, done.stderr
    return ended - float(done.stdout.split()[-1]), done


@pytest.mark.parametrize("length", ["0", "0.5"])
def test_a_short_script_delivers_its_last_ping(server: RecordingServer, tmp_path: Path, length: str) -> None:
    run(SCRIPT, tmp_path, server.url, length)
    assert server.paths() == ["/ping/key/job/start", "/ping/key/job"]
    assert not list(tmp_path.glob("*.journal"))


def test_a_black_hole_does_not_hold_up_the_exit_and_nothing_is_lost(tmp_path: Path) -> None:
    with black_hole() as base:
        took, _ = run(SCRIPT, tmp_path, base, "1.2")
    assert took < 0.5
    assert [entry["suffix"] for entry in journaled(tmp_path)] == ["/start", ""]


def test_only_the_first_of_many_short_scripts_waits_for_a_black_hole(tmp_path: Path) -> None:
    with black_hole() as base:
        first, _ = run(SCRIPT, tmp_path, base, "0")
        second, _ = run(SCRIPT, tmp_path, base, "0")
    assert first < 2
    assert second < 0.5
    assert [entry["suffix"] for entry in journaled(tmp_path)] == ["/start", ""] * 2


def test_a_wait_in_vain_is_forgotten_when_the_server_answers(server: RecordingServer, tmp_path: Path) -> None:
    Journal(tmp_path, server.url).wait_was_vain()
    run(SCRIPT, tmp_path, server.url, "0.5")
    assert Journal(tmp_path, server.url).last_vain_wait() is None


def test_a_child_made_by_fork_sends_its_own_pings_and_never_its_parents(
    server: RecordingServer, tmp_path: Path
) -> None:
    script = """
        import os, sys, time
        from healthkit import pings, transport
        target = pings.target(sys.argv[1] + "/ping/key/job")
        def send(rid):
            transport.submit(pings.Ping(target, "", time.time(), rid))
        send("parent-1")
        child = os.fork()
        if child == 0:
            send("child")
            sys.exit(0)
        os.waitpid(child, 0)
        send("parent-2")
        print(time.monotonic(), flush=True)
    """
    run(script, tmp_path, server.url)
    assert sorted(request.query["rid"] for request in server.requests) == ["child", "parent-1", "parent-2"]


@pytest.mark.parametrize("tls", [False, True])
def test_the_senders_thread_imports_nothing_for_a_fork_could_catch_it_in_the_middle(
    tmp_path: Path, tls: bool
) -> None:
    script = """
        import sys, time
        from healthkit import pings, transport
        target = pings.target(sys.argv[1] + "/ping/key/job")
        sender = transport.sender(target)
        before = set(sys.modules)
        sender.submit(pings.Ping(target, "/fail", time.time() - 60, "r", "output"))
        transport.flush(5)
        print(sorted(set(sys.modules) - before), time.monotonic(), flush=True)
    """
    with RecordingServer(tls=tls) as server:
        _, done = run(script, tmp_path, server.url.replace("127.0.0.1", "localhost"))
        assert len(server.requests) == (0 if tls else 1)
    assert done.stdout.startswith("[] ")


def test_it_works_among_greenlets(server: RecordingServer, tmp_path: Path) -> None:
    script = """
        from gevent import monkey
        monkey.patch_all()
        import gevent, sys, time
        from healthkit.heartbeat import Heartbeat
        @Heartbeat(sys.argv[1] + "/ping/key/job").job
        def job():
            gevent.sleep(0.1)
        gevent.joinall([gevent.spawn(job) for _ in range(10)])
        print(time.monotonic(), flush=True)
    """
    run(script, tmp_path, server.url)
    assert sorted(server.paths()) == ["/ping/key/job"] * 10 + ["/ping/key/job/start"] * 10


CHILD = """
import time
from healthkit import pings, transport

def send(url):
    transport.submit(pings.Ping(pings.target(url + "/ping/key/job"), "", time.time(), "child"))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_delivers_before_it_ends(
    server: RecordingServer, tmp_path: Path, method: str
) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    script = """
        import multiprocessing, sys, time
        sys.path.insert(0, sys.argv[3])
        import child
        process = multiprocessing.get_context(sys.argv[2]).Process(target=child.send, args=(sys.argv[1],))
        process.start()
        process.join()
        print(time.monotonic(), flush=True)
    """
    run(script, tmp_path, server.url, method, str(tmp_path))
    assert [request.query["rid"] for request in server.requests] == ["child"]


def test_a_signal_handler_may_ping_in_the_middle_of_a_ping(server: RecordingServer, tmp_path: Path) -> None:
    script = """
        import signal, sys, time
        from healthkit import pings, transport
        target = pings.target(sys.argv[1] + "/ping/key/job")
        def send(*_):
            transport.submit(pings.Ping(target, "/log", time.time()))
        signal.signal(signal.SIGALRM, send)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0002)
        for _ in range(300):
            send()
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(time.monotonic(), flush=True)
    """
    run(script, tmp_path, server.url)
    assert len(server.requests) >= 300


def test_the_module_sends_and_flushes(
    server: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_folder", [tmp_path])
    monkeypatch.setattr(transport, "_senders", {})
    transport.submit(ping(server.url))
    assert transport.flush(10)
    assert server.paths() == ["/ping/key/job"]
