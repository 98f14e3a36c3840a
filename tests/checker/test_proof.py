"""What is old, or does not give the nonce back, is never a silent pass; what has neither is believed."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from checker.http import Http, Response
from checker.model import Cause, Kind, MonitorSpec, Poll, Verdict
from checker.probe import probe
from checker.probe_spec import ProbeSpec
from checker.reading import read
from healthkit import Health
from healthkit.asgi import HealthApp
from healthkit.wire import timestamp
from tests.checker.web.served import served
from tests.recording import Answer, RecordingServer

AT = 1_700_000_000.0
STALE = "stale: it was last read at 2023-11-14 22:11:40 UTC"


def poll(document: dict[str, Any], status: int = 200, **probing: Any) -> Poll:
    response = Response(status, {"content-type": "application/health+json"}, json.dumps(document).encode())
    return read(response, AT, ProbeSpec(**probing))


def ours(ago: float, *, parts: float | None = None, said: str = "pass", **entry: Any) -> dict[str, Any]:
    """A document of healthkit's whose oldest reading is `ago` seconds old, and whose other is `parts`."""
    checks = {"a:b": [{"status": "pass", "time": timestamp(AT - ago), **entry}]}
    if parts is not None:
        checks["c:d"] = [{"status": "pass", "time": timestamp(AT - parts)}]
    return {
        "status": said,
        "time": timestamp(AT - ago),
        "instance": "host:1",
        "sequence": 7,
        "checks": checks,
    }


@pytest.mark.parametrize(
    ("ago", "verdict"), [(0, Verdict.PASS), (299, Verdict.PASS), (301, Verdict.WARN), (901, Verdict.FAIL)]
)
def test_a_document_of_ours_that_is_old_warns_and_then_is_down(ago: float, verdict: Verdict) -> None:
    found = poll(ours(ago))
    assert found.verdict is verdict
    assert ("stale, unproven: its newest reading is of 2023-" in found.reason) is (
        verdict is not Verdict.PASS
    )
    if verdict is not Verdict.PASS:
        assert found.cause is Cause.DOCUMENT


def test_the_newest_reading_counts_since_some_checks_seldom_run() -> None:
    assert poll(ours(3000, parts=20)).verdict is Verdict.PASS
    assert poll(ours(3000, parts=400)).verdict is Verdict.WARN


def test_a_document_whose_checks_are_all_slow_is_not_stale_before_their_time() -> None:
    assert poll(ours(3000, freshFor=3600)).verdict is Verdict.PASS
    assert poll(ours(3 * 3600 + 1, freshFor=3600)).verdict is Verdict.WARN
    assert poll(ours(400, freshFor="soon")).verdict is Verdict.WARN


def test_how_old_is_too_old_can_be_said_and_then_holds_for_each_component() -> None:
    assert poll(ours(100), stale_after=60.0).verdict is Verdict.WARN
    found = poll(ours(100, parts=5), stale_after=60.0)
    assert found.verdict is Verdict.PASS
    part = dict(found.components)["a:b"]
    assert (part.verdict, part.cause, part.reason) == (
        Verdict.WARN,
        Cause.DOCUMENT,
        STALE,
    )
    assert dict(found.components)["c:d"].verdict is Verdict.PASS


def test_a_failing_document_stays_a_failing_one_however_old() -> None:
    found = poll(ours(5000, said="fail"), status=503)
    assert (found.verdict, found.cause) == (Verdict.FAIL, Cause.FAILING)
    assert "stale" in found.reason


@pytest.mark.parametrize("moment", ["1999-01-01T00:00:00Z", "yesterday", 12, None])
def test_a_strangers_document_is_believed_whatever_its_time(moment: Any) -> None:
    document = {"status": "pass", "time": moment, "checks": {"a:b": [{"status": "pass", "time": moment}]}}
    assert poll(document).verdict is Verdict.PASS


def test_an_app_proves_itself_by_the_nonce_and_a_cache_before_it_does_not() -> None:
    health = Health("shop")
    health.add(lambda: None, name="a")
    spec = ProbeSpec(prove=True)

    async def ask(url: str) -> Poll:
        async with Http() as http:
            return await probe(http, MonitorSpec(Kind.ENDPOINT, "x", url=url, probe=spec), clock=time.time)

    with served(HealthApp(health)) as url:
        proved = asyncio.run(ask(f"{url}/health"))
    assert (proved.verdict, proved.reason) == (Verdict.PASS, "")
    assert proved.origin is not None
    assert proved.origin.instance == health.instance
    body = json.dumps(ours(0)).encode()
    with RecordingServer(default=Answer(200, body, {"Content-Type": "application/health+json"})) as cache:
        first, second = asyncio.run(ask(cache.url)), asyncio.run(ask(cache.url))
        sent = [each.query["nonce"] for each in cache.requests]
    assert len({*sent}) == 2
    for seen in (first, second):
        assert "unproven: the nonce did not come back" in seen.reason
