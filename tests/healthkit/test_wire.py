"""The document: what is written is read again, and nothing that is read can do harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit import wire
from healthkit.errors import WireError
from healthkit.model import Check, Reading, Report, Result
from healthkit.status import Status, worst

CHECK = Check(
    "database", "write", lambda: None, component_type="datastore", identity="postgres:orders",
    tags=frozenset({"ready"}), depends_on=("disk",),
)  # fmt: skip


def report(*readings: Reading) -> Report:
    return Report("shop", worst(r.status for r in readings), 1_700_000_000.0, readings, version="1.4.2")


def test_a_reading_is_written_as_the_draft_has_it() -> None:
    reading = Reading(CHECK, Status.FAIL, 1_700_000_000.25, 0.0125, 3, "rows", "read-only", {"replica": "b"})
    document = wire.render(report(reading), nonce="abc")
    assert document == {
        "status": "fail",
        "version": "1.4.2",
        "serviceId": "shop",
        "nonce": "abc",
        "time": "2023-11-14T22:13:20.000Z",
        "checks": {
            "database:write": [
                {
                    "componentType": "datastore",
                    "observedValue": 3,
                    "observedUnit": "rows",
                    "status": "fail",
                    "output": "read-only",
                    "time": "2023-11-14T22:13:20.250Z",
                    "critical": True,
                    "durationMs": 12.5,
                    "tags": ["ready"],
                    "identity": "postgres:orders",
                    "dependsOn": ["disk"],
                    "replica": "b",
                }
            ]
        },
    }


def test_output_is_left_out_on_pass() -> None:
    entry = wire.render(report(Reading(CHECK, Status.PASS, 0.0, output="all is well")))["checks"][
        "database:write"
    ][0]
    assert "output" not in entry


def test_a_detail_never_replaces_a_key_with_a_meaning() -> None:
    reading = Reading(
        CHECK, Status.FAIL, 0.0, details={"status": "pass", "critical": False, "output": "fine"}
    )
    entry = wire.render(report(reading))["checks"]["database:write"][0]
    assert (entry["status"], entry["critical"], "output" in entry) == ("fail", True, False)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
KNOWN = st.sampled_from([Status.PASS, Status.WARN, Status.FAIL])
VALUES = st.none() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
RESULTS = st.builds(
    Result, VALUES, st.none() | TEXT, KNOWN, TEXT, TEXT, st.dictionaries(NAMES.map("own_{}".format), VALUES)
)
CHECKS = st.builds(
    Check, NAMES, NAMES, st.just(lambda: None), critical=st.booleans(), tags=st.frozensets(NAMES)
)
READINGS = st.builds(
    Reading, CHECKS, KNOWN, st.integers(0, 4_000_000_000).map(float), st.floats(0, 100), VALUES,
    st.none() | TEXT, TEXT, st.dictionaries(NAMES.map("own_{}".format), VALUES),
    st.lists(RESULTS, max_size=3).map(tuple),
)  # fmt: skip
REPORTS = st.builds(
    Report, TEXT, KNOWN, st.integers(0, 4_000_000_000).map(float),
    st.lists(READINGS, max_size=5, unique_by=lambda r: r.check.key).map(tuple), st.none() | TEXT,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(REPORTS, st.none() | NAMES)
def test_what_is_written_is_read_again(given_report: Report, nonce: str | None) -> None:
    document = wire.parse(wire.dumps(given_report, nonce=nonce))
    assert document.problems == ()
    assert (document.status, document.service_id) == (given_report.status, given_report.service)
    assert (document.version, document.nonce, document.time) == (
        given_report.version,
        nonce,
        given_report.time,
    )
    expected = [
        (reading, part)
        for reading in given_report.readings
        for part in reading.results
        or (Result(reading.value, reading.unit, reading.status, reading.output, None, reading.details),)
    ]
    assert len(document.components) == len(expected)
    for component, (reading, part) in zip(document.components, expected, strict=True):
        assert (component.key, component.status, component.time) == (
            reading.check.key,
            part.status,
            reading.time,
        )
        assert (component.value, component.unit) == (part.value, part.unit)
        assert component.component_id == part.component_id
        assert component.output == (part.output if part.status is not Status.PASS else "")
        assert component.details["critical"] is reading.check.critical
        assert {
            key: item for key, item in component.details.items() if key.startswith("own_")
        } == part.details


def parses_or_refuses(body: bytes) -> None:
    try:
        document = wire.parse(body)
    except WireError:
        return
    assert len(document.components) <= wire.MAX_COMPONENTS
    json.dumps([component.value for component in document.components], allow_nan=False).encode()


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    parses_or_refuses(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.sampled_from(
        ["status", "checks", "time", "output", "observedValue", "componentId"]), inner, max_size=5),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["pass", "WARN", "down", 3]), JSON)
def test_arbitrary_checks_are_read_or_refused(status: Any, checks: Any) -> None:
    parses_or_refuses(json.dumps({"status": status, "checks": checks}).encode("utf-8", "surrogatepass"))
    parses_or_refuses(json.dumps({"status": status, "checks": {"a:b": [checks]}, "version": checks}).encode())


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("pass", Status.PASS),
        ("OK", Status.PASS),
        ("Up", Status.PASS),
        ("warn", Status.WARN),
        ("fail", Status.FAIL),
        ("ERROR", Status.FAIL),
        ("down", Status.FAIL),
    ],
)
def test_the_drafts_aliases_are_read_in_any_case(said: str, status: Status) -> None:
    assert wire.parse(json.dumps({"status": said}).encode()).status is status


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[]", "an array"),
        (b'"pass"', "text"),
        (b"{}", "missing"),
        (b'{"status": 1}', "a number"),
        (b'{"status": "banana"}', '"banana"'),
        (b'{"status": "pass", "value": NaN}', "NaN"),
        (b'{"status": "pass", "value": -Infinity}', "Infinity"),
        (b'{"status": "pass", "status": "fail"}', "twice"),
        (b'{"status": "pass", "checks": {"a:b": [{"x": 1, "x": 2}]}}', "twice"),
        (b'{"status": "pass", "x": ' + b"9" * 10_000 + b"}", "too long"),
        (b"[" * 10_000, "nested"),
        (b'{"status":"pass","a":' * 10_000, "nested"),
        (b"[" + b"[]," * 50_000 + b"[]]", "more than 50,000 values"),
        ('{"status": "päss"}'.encode("latin-1"), "not utf-8 text"),
        (b" " * (wire.MAX_BYTES + 1), "bytes"),
        (b"\xff\xfe\x00", "utf-16"),
    ],
)
def test_what_is_no_document_is_refused_with_the_reason(body: bytes, says: str) -> None:
    with pytest.raises(WireError, match=says):
        wire.parse(body)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert wire.parse(b'\xef\xbb\xbf{"status": "pass"}').status is Status.PASS


def test_ten_thousand_components_are_bounded_and_told() -> None:
    checks = {f"c{number}:status": [{"status": "pass"}] for number in range(10_000)}
    document = wire.parse(json.dumps({"status": "pass", "checks": checks}).encode())
    assert len(document.components) == wire.MAX_COMPONENTS
    assert document.problems == ("10,000 components; only the first 1,000 are read",)


def test_wrong_parts_are_left_out_and_told() -> None:
    checks = {
        "a:x": "oops",
        "b:x": [3, {"status": "pass"}],
        "c:x": [{"status": "banana"}],
        "d:x": [{"observedValue": [[[[[[[[[[1]]]]]]]]]], "time": "yesterday", "output": 5}],
        "e:x": {"status": "fail", "output": "bare object"},
    }
    document = wire.parse(json.dumps({"status": "pass", "checks": checks, "version": 1.5}).encode())
    by_key = {component.key: component for component in document.components}
    assert set(by_key) == {"b:x", "c:x", "d:x", "e:x"}
    assert by_key["c:x"].status is Status.WARN
    assert "banana" in by_key["c:x"].output
    assert (by_key["d:x"].status, by_key["d:x"].value, by_key["d:x"].time) == (Status.PASS, None, None)
    assert by_key["e:x"].status is Status.FAIL
    assert document.version == "1.5"
    assert len(document.problems) == 4


def test_problems_are_counted_beyond_twenty() -> None:
    document = wire.parse(json.dumps({"status": "pass", "checks": {"a:x": [1] * 100}}).encode())
    assert document.problems[-1] == "and 80 more"


@pytest.mark.parametrize("checks", [[], "none", 3, True])
def test_checks_of_a_wrong_kind_are_told(checks: Any) -> None:
    document = wire.parse(json.dumps({"status": "fail", "checks": checks}).encode())
    assert (document.status, document.components) == (Status.FAIL, ())
    assert "not an object" in document.problems[0]


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x" * 1000, 17, None]
)
def test_a_time_that_is_none_is_unknown(moment: Any) -> None:
    parses_or_refuses(json.dumps({"status": "pass", "time": moment}).encode())
    assert wire.parse(b'{"status": "pass", "time": "x"}').time is None
