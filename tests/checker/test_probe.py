"""One look at an endpoint: status code and document count together, told in plain words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from checker.http import Http, Response
from checker.model import Cause, Kind, MonitorSpec, Poll, Verdict
from checker.probe import probe as ask
from checker.probe import with_nonce
from checker.probe_spec import USUAL, ProbeSpec
from checker.reading import read
from tests.checker import hostile
from tests.checker.hostile import HostileServer
from tests.recording import Answer, RecordingServer, refused_url

AT = 1_700_000_000.0
HEALTH = {"Content-Type": "application/health+json"}


def look(
    url: str,
    *,
    timeout: float = 5.0,
    headers: dict[str, str] | None = None,
    probe: ProbeSpec = USUAL,
    **options: Any,
) -> Poll:
    spec = MonitorSpec(Kind.ENDPOINT, "shop", url=url, timeout=timeout, headers=headers or {}, probe=probe)

    async def main() -> Poll:
        async with Http() as http:
            return await ask(http, spec, clock=lambda: AT, **options)

    return asyncio.run(main())


def poll(status: int, body: Any, content_type: str = "application/health+json", **fields: Any) -> Poll:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(Response(status, {"content-type": content_type}, raw, **fields), AT)


def document(status: str, **checks: Any) -> dict[str, Any]:
    return {"status": status, "checks": {key.replace("__", ":"): value for key, value in checks.items()}}


READ_ONLY = [{"status": "fail", "output": "read-only: attempt to write a readonly database"}]
FINE = [{"status": "pass", "observedValue": 3, "observedUnit": "jobs"}]


# On real servers.


def test_a_healthy_endpoint_passes_with_every_component_and_its_value() -> None:
    body = json.dumps(document("pass", queue__depth=FINE, database__write=[{"status": "pass"}])).encode()
    with RecordingServer(Answer(200, body, HEALTH)) as server:
        seen = look(server.url + "/health", headers={"Authorization": "Bearer t"})
    assert (seen.verdict, seen.cause, seen.reason) == (Verdict.PASS, Cause.NONE, "")
    assert (seen.at, seen.http_status) == (AT, 200)
    assert seen.latency is not None
    assert 0 < seen.latency < 5
    parts = dict(seen.components)
    assert set(parts) == {"queue:depth", "database:write"}
    assert (parts["queue:depth"].value, parts["queue:depth"].unit) == (3, "jobs")
    [received] = server.requests
    assert received.headers["accept"].startswith("application/health+json")
    assert received.headers["authorization"] == "Bearer t"
    assert received.target == "/health"  # no parameter of ours on a stranger's URL


def test_a_503_whose_document_fails_names_the_component_and_the_reason() -> None:
    body = json.dumps(document("fail", database__write=READ_ONLY, queue__depth=FINE)).encode()
    with RecordingServer(Answer(503, body, HEALTH)) as server:
        seen = look(server.url)
    assert (seen.verdict, seen.cause, seen.http_status) == (Verdict.FAIL, Cause.FAILING, 503)
    assert seen.reason == "database:write: read-only: attempt to write a readonly database"
    part = dict(seen.components)["database:write"]
    assert (part.verdict, part.cause) == (Verdict.FAIL, Cause.FAILING)
    assert part.reason == "read-only: attempt to write a readonly database"


def test_an_endpoint_that_is_gone_is_unreachable() -> None:
    seen = look(refused_url() + "/health?token=secret")
    assert (seen.verdict, seen.cause, seen.http_status) == (Verdict.FAIL, Cause.UNREACHABLE, None)
    assert seen.reason.startswith("connection refused by 127.0.0.1:")
    assert "secret" not in seen.reason


@pytest.mark.parametrize("behaviour", [hostile.hang, hostile.drip])
def test_an_endpoint_that_does_not_finish_within_its_timeout_is_unreachable(
    behaviour: hostile.Behaviour,
) -> None:
    with HostileServer(behaviour) as server:
        seen = look(server.url, timeout=0.3)
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.UNREACHABLE)
    assert "within 0.3 s" in seen.reason


def test_no_such_host_and_a_bad_certificate_are_unreachable_in_plain_words() -> None:
    assert look("http://nowhere.invalid/").reason == "no such host: nowhere.invalid"
    with RecordingServer(tls=True) as server:
        seen = look(server.url)
    assert seen.cause is Cause.UNREACHABLE
    assert "certificate" in seen.reason


def test_a_redirect_loop_fails_by_http_and_garbage_by_document() -> None:
    with RecordingServer(default=Answer(302, headers={"Location": "/"})) as server:
        assert look(server.url).cause is Cause.HTTP
    with HostileServer(hostile.not_http) as server_of_garbage:
        assert look(server_of_garbage.url).cause is Cause.DOCUMENT
    with HostileServer(hostile.endless_headers) as flooding:
        assert look(flooding.url).cause is Cause.DOCUMENT


def test_a_huge_page_counts_by_its_status_code() -> None:
    with HostileServer(hostile.flood) as server:
        assert look(server.url).verdict is Verdict.PASS


def test_a_gzipped_document_that_nobody_asked_for_is_a_warning() -> None:
    headers = {**HEALTH, "Content-Encoding": "gzip"}
    with RecordingServer(Answer(200, b"\x1f\x8b", headers)) as server:
        seen = look(server.url)
    assert (seen.verdict, seen.cause) == (Verdict.WARN, Cause.DOCUMENT)
    assert "gzip" in seen.reason


def test_a_nonce_is_sent_and_a_document_without_it_is_unproven() -> None:
    fresh = json.dumps({"status": "pass", "nonce": "n 1"}).encode()
    with RecordingServer(Answer(200, fresh, HEALTH), Answer(200, b'{"status":"pass"}', HEALTH)) as server:
        proven = look(server.url + "/health?a=1", probe=ProbeSpec(prove=True), nonce=lambda: "n 1")
        unproven = look(server.url + "/health", probe=ProbeSpec(prove=True), nonce=lambda: "n 2")
    assert server.requests[0].target == "/health?a=1&nonce=n%201"
    assert proven.verdict is Verdict.PASS
    assert unproven.verdict is Verdict.WARN
    assert "unproven" in unproven.reason
    assert with_nonce("http://h/", "x") == "http://h/?nonce=x"


# The meaning of an answer.


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "pass"), (204, "pass"), (304, "pass"), (404, "fail"), (500, "fail")]
)
def test_a_homepage_counts_by_its_status_code_alone(status: int, verdict: str) -> None:
    seen = poll(status, b"<!doctype html><p>hello", "text/html")
    assert seen.verdict == verdict
    assert seen.reason == ("" if verdict == "pass" else f"answered {status}")
    assert seen.cause is (Cause.NONE if verdict == "pass" else Cause.HTTP)
    assert not seen.components


def test_other_json_counts_by_its_status_code_with_a_note() -> None:
    for body in ({"hello": 1}, {"status": 200}, {"status": "Sane"}, [1, 2]):
        seen = poll(200, body, "application/json")
        assert (seen.verdict, seen.reason) == (Verdict.PASS, "")
        assert "not a health document" in seen.details["note"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b'{"status": "pass", "x": NaN}', "NaN"),
        (b'{"status": "pass", "status": "fail"}', "twice"),
        (b'{"a":' * 10_000, "nested too deep"),
        (b'{"status": "pass", "x": [' + b"{}," * 60_000 + b"{}]}", "more than 50,000 values"),
        (b'{"status": "pass", "x": "\xff"}', "not utf-8 text"),
        (b'{"status": "splendid"}', "splendid"),
    ],
)
def test_a_promised_document_that_cannot_be_read_is_a_warning_and_says_why(body: bytes, words: str) -> None:
    seen = poll(200, body)
    assert (seen.verdict, seen.cause) == (Verdict.WARN, Cause.DOCUMENT)
    assert words in seen.reason
    down = poll(503, body)
    assert (down.verdict, down.cause) == (Verdict.FAIL, Cause.HTTP)
    assert words in down.reason


def test_json_of_very_many_values_is_looked_into_by_nobody() -> None:
    listed = b"[" + b"{}," * 60_000 + b"{}]"
    seen = poll(200, listed, "application/json")
    assert (seen.verdict, seen.reason) == (Verdict.PASS, "")
    assert "more than 50,000 values" in seen.details["note"]
    document = b'{"status": "fail", "checks": {"a": ' + listed + b"}}"
    assert poll(200, document, "application/json").verdict is Verdict.WARN


def test_a_document_that_is_too_large_is_a_warning() -> None:
    seen = poll(200, b'{"status":', truncated=True)
    assert (seen.verdict, seen.cause) == (Verdict.WARN, Cause.DOCUMENT)
    assert "larger than" in seen.reason


def test_a_document_is_read_whatever_the_content_type_says() -> None:
    seen = poll(200, document("fail", database__write=READ_ONLY), "text/plain")
    assert seen.verdict is Verdict.FAIL


def test_200_with_fail_is_down_and_the_contradiction_is_said() -> None:
    seen = poll(200, document("fail", database__write=READ_ONLY))
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.FAILING)
    assert seen.reason.startswith("answered 200, yet its document says fail: database:write: read-only")


@pytest.mark.parametrize("says", ["pass", "warn"])
def test_503_with_pass_or_warn_is_down_and_the_contradiction_is_said(says: str) -> None:
    seen = poll(503, {"status": says})
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.DOCUMENT)
    assert f"answered 503, yet its document says {says}" in seen.reason


def test_warn_is_degraded_and_names_what_warns() -> None:
    warns = [{"status": "warn", "output": "1,200 jobs wait"}]
    seen = poll(200, document("warn", queue__depth=warns, database__write=FINE))
    assert (seen.verdict, seen.cause, seen.reason) == (
        Verdict.WARN,
        Cause.DEGRADED,
        "queue:depth: 1,200 jobs wait",
    )


def test_a_document_with_its_details_hidden_is_fine() -> None:
    assert poll(200, {"status": "pass"}).verdict is Verdict.PASS
    seen = poll(503, {"status": "fail"})
    assert (seen.verdict, seen.cause, seen.reason) == (
        Verdict.FAIL,
        Cause.FAILING,
        "it says fail, and not why",
    )


def test_many_failing_components_are_counted_not_listed() -> None:
    checks = {f"c{n}:status": [{"status": "fail", "output": "x" * 900}] for n in range(50)}
    seen = poll(503, {"status": "fail", "checks": checks})
    assert len(seen.reason) <= 500
    assert len(seen.components) == 50
    assert all(len(part.reason) <= 500 for _, part in seen.components)
    brief = {f"c{n}:status": [{"status": "fail", "output": "x"}] for n in range(50)}
    assert poll(503, {"status": "fail", "checks": brief}).reason.endswith("and 47 more")


def test_several_entries_of_one_key_are_told_apart() -> None:
    entries: list[dict[str, Any]] = [
        {"status": "pass", "componentId": "a"},
        {"status": "fail", "componentId": "b"},
        {"status": "pass"},
        {"status": "pass", "componentId": "a"},
    ]
    seen = poll(503, {"status": "fail", "checks": {"cpu:load": entries, "one:x": [{"componentId": "z"}]}})
    names = [name for name, _ in seen.components]
    assert names[:3] == ["cpu:load#a", "cpu:load#b", "cpu:load#3"]
    assert names[-1] == "one:x"
    assert len(set(names)) == 5


def test_10_000_components_are_bounded_and_said_to_be() -> None:
    checks = {f"c{n}:status": [{"status": "pass"}] for n in range(10_000)}
    seen = poll(200, {"status": "pass", "checks": checks})
    assert len(seen.components) == 1_000
    assert (seen.verdict, seen.cause) == (Verdict.WARN, Cause.DOCUMENT)
    assert "10,000 components" in seen.reason


@pytest.mark.parametrize("checks", [[1], "x", {"a:b": 7}, {"a:b": [{"status": "odd"}]}, {"a:b": [None]}])
def test_wrong_types_inside_a_document_are_a_warning_never_a_crash(checks: Any) -> None:
    seen = poll(200, {"status": "pass", "checks": checks})
    assert seen.verdict is Verdict.WARN
    assert seen.reason


def test_control_characters_and_lone_surrogates_do_not_reach_the_store() -> None:
    nasty = "a\x00b\x1b[31m\ud800" + "x" * 5000
    seen = poll(
        503, {"status": "fail", "output": nasty, "checks": {nasty: [{"status": "fail", "output": nasty}]}}
    )
    for text in (seen.reason, *(part.reason for _, part in seen.components), *dict(seen.components)):
        assert text.encode()
        assert "\x00" not in text
        assert "\x1b" not in text
        assert len(text) <= 500
