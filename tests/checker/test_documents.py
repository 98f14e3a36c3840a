"""Documents of other libraries: the states they mean, and never an exception whatever they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.documents import DIALECTS, recognise, word
from checker.http import Response
from checker.model import Cause, Poll, Verdict
from checker.reading import read

AT = 1_700_000_000.0
SPRING = {
    "status": "DOWN",
    "groups": ["liveness", "readiness"],
    "components": {
        "db": {
            "status": "DOWN",
            "components": {
                "orders": {
                    "status": "UP",
                    "details": {"database": "PostgreSQL", "validationQuery": "isValid()"},
                },
                "stock": {"status": "DOWN", "details": {"error": "java.sql.SQLException: no route to host"}},
            },
        },
        "diskSpace": {"status": "UP", "details": {"total": 10, "free": 5, "threshold": 1, "exists": True}},
        "discovery": {"status": "UNKNOWN", "description": "not initialized"},
        "mail": {"status": "OUT_OF_SERVICE"},
        "own": {"status": "FATAL", "details": {"code": 7}},
        "ping": {"status": "UP"},
    },
}
ASPNET = {
    "status": "Unhealthy",
    "totalDuration": "00:00:00.0512",
    "entries": {
        "sql": {
            "data": {},
            "description": "cannot open database",
            "exception": "A network-related error",
            "duration": "00:00:00.05",
            "status": "Unhealthy",
            "tags": ["ready"],
        },
        "redis": {"data": {"latency": 4}, "duration": "00:00:00.001", "status": "Healthy"},
        "disk": {"data": {}, "description": "80 % used", "status": "Degraded"},
    },
}
MICROPROFILE = {
    "status": "DOWN",
    "checks": [
        {"name": "Database connections health check", "status": "DOWN", "data": {"reason": "refused"}},
        {"name": "alive", "status": "UP"},
        {"status": "UP"},
    ],
}
SPATIE = {
    "finishedAt": AT - 30,
    "checkResults": [
        {"name": "Database", "label": "Database", "shortSummary": "Ok", "status": "ok", "meta": {}},
        {
            "name": "UsedDiskSpace",
            "notificationMessage": "The disk is almost full (85% used).",
            "shortSummary": "85%",
            "status": "warning",
            "meta": {"disk_space_used_percentage": 85},
        },
        {"name": "Horizon", "notificationMessage": "Horizon is not running.", "status": "failed"},
        {"name": "Meili", "shortSummary": "Crashed", "status": "crashed"},
        {"name": "Backups", "status": "skipped"},
    ],
}
TERMINUS = {
    "status": "error",
    "info": {"redis": {"status": "up"}},
    "error": {"db": {"status": "down", "message": "connection refused"}},
    "details": {"redis": {"status": "up"}, "db": {"status": "down", "message": "connection refused"}},
}
DJANGO = {
    "Cache backend: default": "working",
    "DatabaseBackend": "unavailable: OperationalError",
    "DiskUsage": "warning: 91% disk usage",
}


def poll(status: int, document: Any, kind: str = "application/json") -> Poll:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read(Response(status, {"content-type": kind}, body), AT)


def parts(seen: Poll) -> dict[str, tuple[str, str]]:
    return {name: (str(part.verdict), part.reason) for name, part in seen.components}


def test_spring_boot_with_its_nested_components_and_groups() -> None:
    seen = poll(503, SPRING, "application/vnd.spring-boot.actuator.v3+json")
    assert parts(seen) == {
        "db.orders": ("pass", ""),
        "db.stock": ("fail", "java.sql.SQLException: no route to host"),
        "diskSpace": ("pass", ""),
        "discovery": ("warn", "not initialized"),
        "mail": ("fail", 'it says "OUT_OF_SERVICE"'),
        "own": ("warn", 'its status is "FATAL"'),
        "ping": ("pass", ""),
    }
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.FAILING)
    assert "db.stock: java.sql.SQLException" in seen.reason
    assert seen.details["dialect"] == "Spring Boot"
    assert dict(seen.components)["diskSpace"].details["free"] == 5


def test_spring_boot_of_version_2_0_and_one_that_hides_its_details() -> None:
    old = {
        "status": "UP",
        "details": {"db": {"status": "UP", "details": {"hello": 1}}, "x": {"status": "UP"}},
    }
    assert parts(poll(200, old)) == {"db": ("pass", ""), "x": ("pass", "")}
    hidden = poll(503, {"status": "OUT_OF_SERVICE", "groups": ["liveness"]})
    assert (hidden.verdict, hidden.cause) == (Verdict.FAIL, Cause.FAILING)
    assert poll(200, {"status": "UP"}).verdict is Verdict.PASS
    assert poll(200, {"status": "UNKNOWN"}).verdict is Verdict.WARN


def test_asp_net_entries_with_their_descriptions() -> None:
    seen = poll(503, ASPNET)
    assert parts(seen) == {
        "sql": ("fail", "cannot open database A network-related error"),
        "redis": ("pass", ""),
        "disk": ("warn", "80 % used"),
    }
    assert seen.verdict is Verdict.FAIL
    guide = {"status": "Healthy", "results": {"a": {"status": "Healthy", "description": "d", "data": {}}}}
    assert parts(poll(200, guide)) == {"a": ("pass", "")}
    numbers = {"status": "Degraded", "entries": {"a": {"status": 1}, "b": {"status": 2}}}
    assert parts(poll(200, numbers))["b"] == ("pass", "")


def test_the_one_word_of_asp_net_counts_and_a_page_that_holds_it_does_not() -> None:
    assert poll(200, b"Healthy", "text/plain").verdict is Verdict.PASS
    degraded = poll(200, b"Degraded", "text/plain")
    assert (degraded.verdict, degraded.cause, degraded.reason) == (Verdict.WARN, Cause.DEGRADED, "Degraded")
    assert poll(503, b"Unhealthy\n", "text/plain").cause is Cause.FAILING
    assert word(b"Healthy people eat apples") is None


def test_microprofile_checks_are_a_list() -> None:
    seen = poll(503, MICROPROFILE)
    assert parts(seen) == {
        "Database connections health check": ("fail", "reason: refused"),
        "alive": ("pass", ""),
        "check 3": ("pass", ""),
    }
    first = {"outcome": "UP", "checks": [{"name": "a", "state": "UP"}]}
    assert parts(poll(200, first)) == {"a": ("pass", "")}


def test_oh_dear_has_no_status_of_its_own_and_is_as_bad_as_its_worst_check() -> None:
    seen = poll(200, SPATIE)
    assert parts(seen) == {
        "Database": ("pass", ""),
        "UsedDiskSpace": ("warn", "The disk is almost full (85% used)."),
        "Horizon": ("fail", "Horizon is not running."),
        "Meili": ("fail", "Crashed"),
    }
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.FAILING)
    fine = {
        "finishedAt": AT,
        "checkResults": [{"name": "a", "status": "ok"}, {"name": "b", "status": "skipped"}],
    }
    assert poll(200, fine).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("ago", "verdict"), [(30.0, Verdict.PASS), (400.0, Verdict.WARN), (4_000.0, Verdict.FAIL)]
)
def test_oh_dears_results_that_ended_long_ago_are_stale(ago: float, verdict: Verdict) -> None:
    for told in (AT - ago, str(int(AT - ago))):
        seen = poll(200, {"finishedAt": told, "checkResults": [{"name": "a", "status": "ok"}]})
        assert seen.verdict is verdict
        assert ("stale" in seen.reason) is (verdict is not Verdict.PASS)


def test_nestjs_terminus_by_its_details() -> None:
    assert parts(poll(503, TERMINUS)) == {"redis": ("pass", ""), "db": ("fail", "connection refused")}


def test_django_health_check_only_where_every_value_is_one_of_its_words() -> None:
    seen = poll(500, DJANGO)
    assert parts(seen) == {
        "Cache backend: default": ("pass", ""),
        "DatabaseBackend": ("fail", "unavailable: OperationalError"),
        "DiskUsage": ("warn", "warning: 91% disk usage"),
    }
    assert recognise(b'{"message": "ok"}') is None
    assert recognise(b'{"DatabaseBackend": "working", "hello": "world"}') is None


@pytest.mark.parametrize("document", [SPRING, ASPNET, MICROPROFILE, TERMINUS, SPATIE])
def test_200_with_a_failing_document_of_another_make_is_a_contradiction_that_is_said(document: Any) -> None:
    seen = poll(200, document)
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.FAILING)
    assert seen.reason.startswith("answered 200, yet its document says fail: ")


@pytest.mark.parametrize(
    "document", [{"status": "UP", "components": {}}, {"status": "Healthy", "entries": {}}]
)
def test_503_with_a_passing_document_of_another_make_is_one_too(document: Any) -> None:
    seen = poll(503, document)
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.DOCUMENT)
    assert "answered 503, yet its document says pass" in seen.reason


def test_10_000_components_and_deep_nesting_are_bounded_in_every_dialect() -> None:
    many = {f"c{n}": {"status": "UP"} for n in range(10_000)}
    seen = poll(200, {"status": "UP", "components": many})
    assert len(seen.components) == 1_000
    assert seen.verdict is Verdict.WARN
    assert "components; only the first 1,000 are read" in seen.reason
    many_checks = poll(
        200, {"status": "UP", "checks": [{"name": str(n), "status": "UP"} for n in range(10_000)]}
    )
    assert len(many_checks.components) == 1_000
    deep: dict[str, Any] = {"status": "UP"}
    for _ in range(300):
        deep = {"status": "UP", "components": {"x": deep, "y": deep}}
        if len(json.dumps(deep)) > 100_000:
            break
    assert poll(200, deep).verdict in (Verdict.PASS, Verdict.WARN)


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
statuses = st.sampled_from(
    ["UP", "down", "Healthy", "ok", "crashed", "error", "working", 1, None, {"code": "UP"}]
)
keys = st.sampled_from(
    [
        "status",
        "components",
        "details",
        "entries",
        "results",
        "checks",
        "checkResults",
        "finishedAt",
        "info",
        "name",
        "data",
        "error",
        "message",
        "notificationMessage",
        "meta",
        "description",
        "exception",
        "outcome",
    ]
) | st.just("\x00\ud800")
rubbish = st.recursive(
    leaves | statuses,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=400)
@given(rubbish, st.sampled_from([200, 503]))
def test_rubbish_in_a_known_shape_is_never_an_exception(document: Any, status: int) -> None:
    seen = poll(status, document)
    assert seen.verdict in Verdict
    for text in (seen.reason, *(part.reason for _, part in seen.components), *dict(seen.components)):
        assert text.encode() or not text  # no lone surrogates
        assert len(text) <= 500
    assert len(dict(seen.components)) == len(seen.components)


@settings(max_examples=200)
@given(rubbish)
def test_no_dialect_reads_more_into_a_value_than_it_holds(document: Any) -> None:
    for read_dialect in DIALECTS:
        found = read_dialect(document)
        assert found is None or isinstance(document, dict)
