"""The app's own calls, really made with every library, are counted and judged."""

from __future__ import annotations

import asyncio
import urllib.request
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
import requests
import urllib3

from healthkit.checks.http import ThirdPartyAPI
from healthkit.checks.outbound import OutboundCalls
from healthkit.errors import ConfigurationError
from healthkit.health import Health
from healthkit.status import Status
from tests.healthkit.checks.http_clients import (
    Get,
    by_aiohttp,
    by_httpx,
    by_requests,
    by_urllib,
    by_urllib3,
    every_library,
)
from tests.healthkit.checks.outbound_site import hosts, only, whole
from tests.recording import Answer, RecordingServer, black_hole, refused_url


@every_library
def test_a_call_is_counted_once_for_its_host(get: Get, calls: OutboundCalls, server: RecordingServer) -> None:
    assert [get(server.url + "/v1/charges?key=secret") for _ in range(3)] == [200] * 3

    said = only(calls)
    assert (said.component_id, said.status, said.value) == (f"127.0.0.1:{server.port}", Status.PASS, 0.0)
    assert said.details["calls"] == len(server.requests) == 3
    assert 0 < said.details["p50_ms"] < 300


@every_library
def test_a_host_that_answers_500_fails(get: Get, calls: OutboundCalls, server: RecordingServer) -> None:
    server.default = Answer(500)
    for _ in range(3):
        with suppress(urllib.request.HTTPError):  # urllib raises on 500 by itself
            assert get(server.url) == 500

    said = only(calls)
    assert (said.status, said.value, said.details["last_failure"]) == (Status.FAIL, 1.0, "status 500")
    assert said.output.startswith("3 of 3 calls failed")


@every_library
def test_no_answer_is_a_failure_with_its_class_of_reason(get: Get, calls: OutboundCalls) -> None:
    for _ in range(2):
        with pytest.raises(Exception, match=r"(?i)refused|connect"):
            get(refused_url())

    assert [r.status for r in hosts(calls)] == [Status.PASS] * 2  # two ports are two hosts
    assert {r.details["last_failure"] for r in hosts(calls)} == {"unreachable: connection refused"}


@every_library
def test_a_timeout_is_a_failure(get: Get, calls: OutboundCalls) -> None:
    with RecordingServer(default=Answer(fault="hang")) as server:
        for _ in range(2):
            with pytest.raises(Exception) as caught:
                get(server.url, timeout=0.2)
            assert "time" in f"{type(caught.value).__name__} {caught.value}".lower()

    said = only(calls)
    assert (said.status, said.details["last_failure"]) == (
        Status.FAIL,
        "timed out: no answer within the limit",
    )


@every_library
def test_a_black_hole_is_a_failure(get: Get, calls: OutboundCalls) -> None:
    with black_hole() as url, pytest.raises(Exception):  # noqa: B017 - each library has its own
        get(url, timeout=0.2)

    assert only(calls).details["last_failure"] == "timed out: no answer within the limit"


@every_library
def test_a_lost_connection_is_a_failure(get: Get, calls: OutboundCalls, server: RecordingServer) -> None:
    server.default = Answer(fault="reset")
    for _ in range(2):
        with pytest.raises(Exception):  # noqa: B017 - each library has its own
            get(server.url)

    assert only(calls).status is Status.FAIL
    assert "unreachable" in only(calls).details["last_failure"]


@pytest.mark.parametrize("get", [by_requests, by_urllib3, by_aiohttp, by_urllib])
def test_a_wrong_certificate_is_a_failure_that_says_so(get: Get, calls: OutboundCalls) -> None:
    with RecordingServer(tls=True) as server, pytest.raises(Exception, match=r"(?i)certificate"):
        get(server.url)

    assert only(calls).details["last_failure"] == "TLS: the certificate or the handshake was refused"


@every_library
def test_a_name_that_is_unknown_is_a_failure(get: Get, calls: OutboundCalls) -> None:
    with pytest.raises(Exception):  # noqa: B017 - each library has its own
        get("http://no-such-host.invalid/")

    said = only(calls)
    assert said.component_id == "no-such-host.invalid"
    assert said.details["errors"] == 1


@every_library
def test_the_callers_own_mistake_says_nothing_of_a_host(get: Get, calls: OutboundCalls) -> None:
    with pytest.raises(Exception):  # noqa: B017 - each library has its own
        get("nosuch://127.0.0.1:1/")

    assert whole(calls)["hosts"] == 0


def test_throttling_warns_unless_told_otherwise(server: RecordingServer) -> None:
    server.default = Answer(429)
    mild, strict, blind = (OutboundCalls(min_calls=2, throttled=how) for how in ("warn", "error", "ignore"))
    with mild, strict, blind:
        for _ in range(3):
            by_requests(server.url)

    assert [only(one).status for one in (mild, strict, blind)] == [Status.WARN, Status.FAIL, Status.PASS]


def test_further_statuses_can_count_as_failures(server: RecordingServer) -> None:
    server.default = Answer(401)
    with OutboundCalls(min_calls=2, errors={401, 403, *range(500, 600)}) as calls:
        by_requests(server.url)
        by_requests(server.url)

    assert only(calls).details["last_failure"] == "status 401"


def test_our_own_probes_are_not_the_apps_calls(calls: OutboundCalls, server: RecordingServer) -> None:
    ThirdPartyAPI("payments", server.url)()
    assert by_requests(server.url) == 200
    assert only(calls).details["calls"] == 1


def test_retries_inside_urllib3_are_one_call(calls: OutboundCalls, server: RecordingServer) -> None:
    server.then(Answer(503), Answer(503), Answer(200))
    retry = urllib3.Retry(total=5, status_forcelist=[503], backoff_factor=0)
    with urllib3.PoolManager(retries=retry) as pool:
        assert pool.request("GET", server.url).status == 200

    assert only(calls).details["calls"] == 1
    assert len(server.requests) == 3


def test_retries_that_ran_out_tell_the_status_they_ran_out_on(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    server.default = Answer(503)
    with requests.Session() as session:
        retry = urllib3.Retry(total=2, status_forcelist=[503], backoff_factor=0)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        with pytest.raises(requests.exceptions.RetryError):
            session.get(server.url)

    assert only(calls).details["last_failure"] == "status 503"


def test_each_hop_of_a_redirect_counts_for_its_own_host(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    with RecordingServer(default=Answer(500)) as behind:
        server.default = Answer(302, headers={"Location": behind.url})
        by_requests(server.url)
        by_aiohttp(server.url)

        counted = {result.component_id: result.details["errors"] for result in hosts(calls)}

    assert counted == {f"127.0.0.1:{server.port}": 0, f"127.0.0.1:{behind.port}": 2}


def test_aiohttp_with_raise_for_status_and_a_base_url_is_read_right(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    server.default = Answer(502)

    async def get() -> None:
        async with aiohttp.ClientSession(server.url, raise_for_status=True) as session:
            await session.get("/v1")

    with pytest.raises(aiohttp.ClientResponseError):
        asyncio.run(get())

    assert only(calls).details["last_failure"] == "status 502"


def test_a_password_in_a_url_is_shown_nowhere(calls: OutboundCalls, server: RecordingServer) -> None:
    server.default = Answer(500)
    url = f"http://user:hunter2@127.0.0.1:{server.port}/?token=hunter3"
    for get in (by_requests, by_urllib3, by_httpx, by_aiohttp):
        get(url)

    assert "hunter" not in repr(calls())


def test_hosts_can_be_chosen_left_out_and_given_limits_of_their_own() -> None:
    chosen = OutboundCalls(
        hosts={"api.stripe.com", "*.twilio.com"},
        exclude={"lab.twilio.com"},
        per_host={"*.Twilio.com": {"fail": 0.9, "warn": None}},
    )
    for host in ("api.stripe.com", "api.stripe.com:8443", "a.twilio.com", "lab.twilio.com", "evil.com"):
        for status in (200, 500, 500, 500, 500, 500):
            chosen.record(host, status, "", 0.1)
    chosen.uninstall()

    assert {result.component_id: result.status for result in hosts(chosen)} == {
        "api.stripe.com": Status.FAIL,
        "api.stripe.com:8443": Status.FAIL,
        "a.twilio.com": Status.PASS,
    }


def test_the_number_of_hosts_is_bounded_and_the_one_called_longest_ago_gives_way() -> None:
    calls = OutboundCalls(max_hosts=3)
    for host in ("a.com", "b.com", "c.com", "a.com", "d.com"):
        calls.record(host, 200, "", 0.1)
    calls.uninstall()

    assert [result.component_id for result in hosts(calls)] == ["a.com", "c.com", "d.com"]


def test_a_host_not_called_for_long_is_dropped() -> None:
    now = [1000.0]
    calls = OutboundCalls(clock=lambda: now[0], forget_after="1h", min_calls=1)
    calls.record("a.com", 500, "", 0.1)
    calls.uninstall()

    now[0] += 3600
    assert only(calls).status is Status.FAIL
    now[0] += 1
    assert whole(calls)["hosts"] == 0


def test_in_a_health_the_failing_host_warns_of_the_whole_with_its_name(server: RecordingServer) -> None:
    server.default = Answer(500)
    health = Health("shop")
    calls = OutboundCalls(min_calls=2)
    health.add(calls)
    for _ in range(3):
        by_requests(server.url)
    calls.uninstall()

    report = health.report()

    assert report.status is Status.WARN  # a third party is not critical unless the app says so
    [reading] = report.readings
    assert (reading.check.key, reading.status) == ("outbound:errorRate", Status.FAIL)
    assert reading.results[1].component_id == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"window": 0}, "OutboundCalls 'outbound': window: 0 leaves no calls to judge"),
        ({"throttled": "maybe"}, 'throttled \'maybe\' must be "warn", "error" or "ignore"'),
        ({"max_hosts": 101}, "max_hosts 101 is no whole number from 1 to 99"),
        ({"hosts": "api.stripe.com"}, "hosts and exclude are sets of names"),
        ({"per_host": {"a.com": {"fial": 1}}}, "OutboundCalls 'outbound': a.com: unknown 'fial'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OutboundCalls(**given)

    assert told in str(caught.value)
