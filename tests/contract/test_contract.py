"""The contract of `/health`, the same over every adapter."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from healthkit import Fail, Health, Warn, wire
from healthkit.status import Status
from tests.contract.apps import ADAPTERS, Ask

SECRET = "hunter2"
DSN = f"postgresql://app:{SECRET}@db/orders"
TOKEN = "s3cr3t-tökén"

Mount = Callable[[Health], Ask]


@pytest.fixture(params=list(ADAPTERS.values()), ids=list(ADAPTERS))
def mount(request: pytest.FixtureRequest) -> Mount:
    found: Mount = request.param
    return found


def broken() -> None:
    raise ConnectionError(DSN)


def shop(**options: Any) -> Health:
    """A service whose database works, whose cache is slow, and whose unimportant provider is broken."""
    health = Health("shop", version="1.4.2", **options)
    health.add(lambda: 3, name="database", measurement="write", tags={"ready"}, fresh_for=60)

    @health.check("cache", critical=False, fresh_for=60)
    async def cache() -> None:
        raise Warn("slow", value=1.5, unit="s")

    health.add(broken, name="stripe", critical=False, fresh_for=60)
    return health


def failing(**options: Any) -> Health:
    health = shop(**options)

    @health.check("queue", tags={"ready"}, fresh_for=60)
    def queue() -> None:
        raise Fail("40,000 jobs wait", value=40_000)

    return health


def names(body: bytes) -> list[str]:
    return list(json.loads(body)["checks"])


ALL = ["database:write", "cache:status", "stripe:status"]


@pytest.mark.parametrize(
    ("path", "checks"),
    [
        ("/health", ALL),
        ("/health/", ALL),
        ("/health/live", []),
        ("/health/live/", []),
        ("/health/ready", ["database:write"]),
        ("/health/startup", ["database:write"]),
        ("/health/checks/cache", ["cache:status"]),
        ("/health/checks/cache:status", ["cache:status"]),
        ("/health/checks/cache/", ["cache:status"]),
    ],
)
def test_each_route_answers_with_its_checks(mount: Mount, path: str, checks: list[str]) -> None:
    answer = mount(shop())(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/health+json"
    assert names(answer.body) == checks
    document = wire.parse(answer.body)
    assert (document.service_id, document.version, document.problems) == ("shop", "1.4.2", ())


def test_the_rest_of_the_app_is_left_alone(mount: Mount) -> None:
    assert b"home" in mount(shop())("/").body


@pytest.mark.parametrize("path", ["/", "/healthz", "/health2/live", "/healthy"])
def test_a_path_that_only_looks_alike_is_the_apps(mount: Mount, path: str) -> None:
    assert b'"checks"' not in mount(shop())(path).body


def test_pass_and_warn_are_200_and_a_critical_failure_is_503(mount: Mount) -> None:
    assert wire.parse(mount(shop())("/health").body).status is Status.WARN
    answer = mount(failing())("/health")
    assert answer.status == 503
    assert wire.parse(answer.body).status is Status.FAIL
    assert mount(failing())("/health/ready").status == 503
    assert mount(failing())("/health/live").status == 200
    assert mount(failing())("/health/checks/database").status == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/checks/cache", "/health/checks/nope"])
def test_head_has_the_status_and_headers_of_get_and_no_body(mount: Mount, path: str) -> None:
    ask = mount(failing())
    got, head = ask(path), ask(path, "HEAD")
    assert head.body == b""
    assert head.status == got.status
    assert int(head.headers["content-length"]) == len(got.body)
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/checks/cache"])
def test_another_method_is_405_with_allow(mount: Mount, path: str, method: str) -> None:
    answer = mount(shop())(path, method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/health/checks/nope", "/health/checks", "/health/nope", "/health/a/b/c"])
def test_an_unknown_check_or_route_is_404_and_says_what_there_is(mount: Mount, path: str) -> None:
    answer = mount(shop())(path)
    assert answer.status == 404
    assert json.loads(answer.body)["available"] == ALL
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["ünïcode", "<script>", "a" * 3_000, "%00", "' OR 1=1"])
def test_a_hostile_name_is_404_and_bounded(mount: Mount, name: str) -> None:
    answer = mount(shop())(f"/health/checks/{name}")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.body) < 1_000


@pytest.mark.parametrize(
    ("query", "accept", "content_type"),
    [
        ("format=json", "text/html", "application/health+json"),
        ("format=text", "", "text/plain; charset=utf-8"),
        ("format=html", "", "text/html; charset=utf-8"),
        ("format=prometheus", "", "text/plain; version=0.0.4; charset=utf-8"),
        ("", "text/plain", "text/plain; charset=utf-8"),
        ("", "text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("", "application/json", "application/json"),
        ("", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_format_is_chosen_by_query_then_accept(
    mount: Mount, query: str, accept: str, content_type: str
) -> None:
    ask = mount(failing())
    answer = ask("/health", query=query, accept=accept)
    scraped = "version=0.0.4" in content_type  # Prometheus drops a scrape that is no 200, with its samples
    assert (answer.status, answer.headers["content-type"]) == (200 if scraped else 503, content_type)
    assert b"queue" in answer.body
    assert answer.headers["vary"] == "Accept"


def test_an_unknown_format_is_400_and_says_what_is_allowed(mount: Mount) -> None:
    answer = mount(shop())("/health", query="format=yaml")
    assert answer.status == 400
    assert b"json, text, html, prometheus" in answer.body


@pytest.mark.parametrize("query", ["x=" + "y" * 10_000, "&".join(f"a{n}=1" for n in range(100))])
def test_a_query_without_measure_is_400(mount: Mount, query: str) -> None:
    assert mount(shop())("/health", query=query).status == 400


def test_caching_headers_tell_how_long_the_reading_is_fresh(mount: Mount) -> None:
    now = 1_000_000.0
    health = Health("shop", clock=lambda: now)
    health.add(lambda: 1, name="database", fresh_for=60)
    ask = mount(health)
    assert ask("/health").headers["cache-control"] == "max-age=60"
    now += 20
    later = ask("/health")
    assert later.headers["cache-control"] == "max-age=40"
    assert later.headers["x-content-type-options"] == "nosniff"
    component = wire.parse(later.body).components[0]
    assert component.time == 1_000_000.0, "when it was read, not when it was served"
    now += 41
    assert wire.parse(ask("/health").body).components[0].time == now


@pytest.mark.parametrize(
    ("given", "echoed"),
    [
        ("abc-123_X", "abc-123_X"),
        ("%22%7D%3Cscript%3E", "script"),
        ("x" * 1_000, "x" * 128),
        ("", None),
        ("%00%0d%0a", None),
        ("%F0%9F%98%80", None),
    ],
)
def test_a_nonce_comes_back_bounded_and_clean(mount: Mount, given: str, echoed: str | None) -> None:
    ask = mount(shop())
    for _ in range(2):  # baked, then served from what was baked
        assert wire.parse(ask("/health", query=f"nonce={given}").body).nonce == echoed
    assert wire.parse(ask("/health").body).nonce is None


BEARER = f"Bearer {TOKEN}".encode().decode("latin-1")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {BEARER[7:]}",
        BEARER[7:],
        f"{BEARER}x",
        BEARER[:-1],
        "Bearer \xff",
    ],
)
def test_without_the_token_only_the_status_is_told(mount: Mount, authorization: str) -> None:
    ask = mount(failing(details_token=TOKEN))
    answer = ask("/health", authorization=authorization)
    assert answer.status == 503
    assert json.loads(answer.body) == {"status": "fail"}
    assert json.loads(ask("/health/live", authorization=authorization).body) == {"status": "pass"}
    for form in ("text", "html", "prometheus"):
        body = ask("/health", query=f"format={form}", authorization=authorization).body
        assert not [word for word in (b"queue", b"database", b"shop", b"1.4.2") if word in body]
    assert answer.headers["cache-control"].startswith("private")
    assert "Authorization" in answer.headers["vary"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_everything_is_told(mount: Mount, scheme: str) -> None:
    ask = mount(failing(details_token=TOKEN))
    ask("/health")
    answer = ask("/health", authorization=f"{scheme} {BEARER[7:]}")
    assert names(answer.body) == [*ALL, "queue:status"]
    assert ask("/health/checks/cache", authorization=BEARER).status == 200
    assert ask("/health/checks/nope", authorization=BEARER).status == 404


def test_without_the_token_nobody_learns_which_checks_exist(mount: Mount) -> None:
    ask = mount(failing(details_token=TOKEN))
    known, unknown = ask("/health/checks/database"), ask("/health/checks/nope")
    assert (known.status, known.body, known.headers) == (unknown.status, unknown.body, unknown.headers)
    assert known.status == 404


def test_no_secret_is_in_any_body_header_or_log(mount: Mount, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for token in (None, SECRET):
        health = failing(details_token=token)
        health.add(broken, name="critical-one")
        ask = mount(health)
        for path in ("/health", "/health/ready", "/health/checks/stripe", "/health/nope"):
            for form in ("json", "text", "html", "prometheus"):
                answer = ask(path, query=f"format={form}", authorization=f"Bearer {token}")
                seen = f"{answer.headers}{answer.body.decode()}"
                assert SECRET not in seen
                assert "Traceback" not in seen
    assert "ConnectionError" in caplog.text
    assert SECRET not in caplog.text


def test_a_fault_of_the_endpoint_itself_is_unhealthy_without_a_traceback(
    mount: Mount, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    health = shop()
    monkeypatch.setattr(health, "fresh", lambda _runners: 1 / 0)
    answer = mount(health)("/health")
    assert (answer.status, json.loads(answer.body)) == (503, {"status": "fail"})
    assert "ZeroDivisionError" in caplog.text


def test_a_hung_check_delays_an_answer_no_longer_than_its_timeout(mount: Mount) -> None:
    shut = threading.Event()
    health = shop()
    health.add(lambda: shut.wait(60), name="hung", timeout=0.3, fresh_for=0)
    ask = mount(health)
    try:
        start = time.monotonic()
        first = ask("/health")
        assert time.monotonic() - start < 2
        assert first.status == 503
        start = time.monotonic()
        later = [ask("/health") for _ in range(20)]
        assert time.monotonic() - start < 2
        assert all(b"still running for" in answer.body for answer in later)
    finally:
        shut.set()


@pytest.mark.parametrize(
    ("path", "query", "checks"),
    [
        ("/health", "tag=ready", ["database:write"]),
        ("/health", "tag=ready&tag=nobody-else", None),
        ("/health", "check=cache", ["cache:status"]),
        ("/health", "check=cache,stripe:status", ["cache:status", "stripe:status"]),
        ("/health", "check=cache&tag=ready", ["database:write", "cache:status"]),
        ("/health", "exclude_tag=ready", ["cache:status", "stripe:status"]),
        ("/health", "exclude_check=cache&exclude_check=stripe", ["database:write"]),
        ("/health/ready", "", ["database:write"]),
        ("/health/ready", "exclude_check=database", None),
        ("/health/ready", "check=cache", None),
        ("/health", "check=nope", None),
        ("/health", "exclude_check=nope", None),
        ("/health/all", "", None),
    ],
)
def test_filters_keep_and_leave_out_and_never_pass_on_nothing(
    mount: Mount, path: str, query: str, checks: list[str] | None
) -> None:
    answer = mount(shop())(path, query=query)
    if checks is None:
        assert answer.status == 404
        assert json.loads(answer.body)["available"] == ALL
    else:
        assert (answer.status, names(answer.body)) == (200, checks)


def test_a_tag_of_ones_own_is_a_route_of_its_own(mount: Mount) -> None:
    health = failing()
    health.add(broken, name="ledger", tags={"billing"})
    ask = mount(health)
    answer = ask("/health/billing")
    assert (answer.status, names(answer.body)) == (503, ["ledger:status"])
    assert "/billing" in json.loads(ask("/health/biling").body)["routes"]


def test_without_the_token_there_are_no_filters_and_no_tags(mount: Mount) -> None:
    ask = mount(shop(details_token=TOKEN))
    for path, query in [("/health", "tag=ready"), ("/health", "check=cache"), ("/health/billing", "")]:
        assert ask(path, query=query).status == 404
        assert b"ready" not in ask(path, query=query).body


def moving(clock: list[float], **options: Any) -> Health:
    """A service whose value is the number of the minute, read anew each second."""
    health = Health("shop", clock=lambda: clock[0], **options)
    health.add(lambda: int(clock[0] // 60), name="minute", fresh_for=1)
    return health


@pytest.mark.parametrize("form", ["json", "text", "html"])
def test_an_unchanged_report_costs_a_poller_nothing(mount: Mount, form: str) -> None:
    clock = [1_000_020.0]
    ask = mount(moving(clock))
    first = ask("/health", query=f"format={form}")
    tag = first.headers["etag"]
    clock[0] += 10  # read anew, with the same outcome
    same = ask("/health", query=f"format={form}", **{"if-none-match": tag})
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
    assert same.headers["cache-control"] == "max-age=1"
    assert same.headers["vary"] == "Accept"
    clock[0] += 60
    changed = ask("/health", query=f"format={form}", **{"if-none-match": tag})
    assert changed.status == 200
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize("given", ["*", '"x", {}', "W/{}", "{strong}"])
def test_the_condition_is_read_as_http_says(mount: Mount, given: str) -> None:
    clock = [1_000_000.0]
    ask = mount(moving(clock))
    tag = ask("/health").headers["etag"]
    condition = given.format(tag.removeprefix("W/"), strong=tag.removeprefix("W/"))
    assert ask("/health", **{"if-none-match": condition}).status == 304
    assert ask("/health", "HEAD", **{"if-none-match": condition}).status == 304
    assert ask("/health", **{"if-none-match": '"other"'}).status == 200


def test_a_failure_a_nonce_and_a_scrape_are_never_answered_with_304(mount: Mount) -> None:
    ask = mount(failing())
    failure = ask("/health")
    assert ask("/health", **{"if-none-match": failure.headers["etag"]}).status == 503
    fine = mount(shop())
    tag = fine("/health").headers["etag"]
    proof = fine("/health", query="nonce=abc", **{"if-none-match": tag})
    assert (proof.status, "etag" in proof.headers) == (200, False)
    assert "etag" not in fine("/health", query="format=prometheus").headers


def test_processes_of_one_service_share_the_tag_and_strangers_have_their_own(mount: Mount) -> None:
    clock = [1_000_000.0]
    tags = {mount(moving(clock, instance=name))("/health").headers["etag"] for name in ("web-1", "web-2")}
    assert len(tags) == 1
    ask = mount(moving(clock, details_token=TOKEN))
    assert ask("/health").headers["etag"] != ask("/health", authorization=BEARER).headers["etag"]


def test_a_disabled_check_is_shown_and_weighs_nothing(mount: Mount) -> None:
    health = failing()
    health.disable("queue", "the broker moves", for_="1h")
    answer = mount(health)("/health/ready")
    assert answer.status == 200
    entry = json.loads(answer.body)["checks"]["queue:status"][0]
    assert entry["disabled"]["reason"] == "the broker moves"
    ask = mount(health)
    assert b"disabled: the broker moves" in ask("/health", query="format=text").body
    assert b"disabled: the broker moves" in ask("/health", query="format=html").body
    metrics = ask("/health", query="format=prometheus").body
    assert (
        b'healthkit_check_disabled{service="shop",check="queue:status",component_id="",critical="true"} 1'
        in metrics
    )
    assert b'healthkit_check_status{service="shop",check="queue:status"' not in metrics


def test_what_a_check_depends_on_is_in_the_document(mount: Mount) -> None:
    health = Health("shop", instance="web-1")
    health.add(lambda: 1, name="orders", identity="postgres:orders", depends_on=["database:write"])
    document = json.loads(mount(health)("/health").body)
    entry = document["checks"]["orders:status"][0]
    assert (entry["identity"], entry["dependsOn"]) == ("postgres:orders", ["database:write"])
    assert (document["instance"], document["sequence"]) == ("web-1", 1)


def test_a_scrape_of_a_failing_service_is_200_and_its_metric_says_it(mount: Mount) -> None:
    answer = mount(failing())("/health", query="format=prometheus")
    assert answer.status == 200
    assert b'healthkit_status{service="shop"} 0' in answer.body


def test_an_unchanged_report_is_rendered_once(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    render = wire.render
    monkeypatch.setattr(wire, "render", lambda *a, **k: calls.append(1) or render(*a, **k))  # type: ignore[func-returns-value]
    ask = mount(shop())
    assert len({ask("/health").body for _ in range(5)}) == 1
    assert len(calls) == 1
