"""The grammar of ping addresses, and of the JSON a body may carry."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.model import PingKind
from checker.web.ping_body import OLDEST, Body, parse_body
from checker.web.ping_path import BAD_URL, NOT_FOUND, Refusal, Target, parse_ping

TOKEN = "0b8f4a1e-6c7d-4e2f-9a3b-5c1d2e3f4a5b"
NOW = 1_800_000_000.0

SUFFIXES = [
    ("", PingKind.SUCCESS, None),
    ("/start", PingKind.START, None),
    ("/fail", PingKind.FAIL, None),
    ("/log", PingKind.LOG, None),
    ("/0", PingKind.SUCCESS, 0),
    ("/1", PingKind.FAIL, 1),
    ("/255", PingKind.FAIL, 255),
    ("/007", PingKind.FAIL, 7),
    ("/000000000", PingKind.SUCCESS, 0),
]


def target(path: str, query: bytes = b"") -> Target:
    found = parse_ping(path, query)
    assert isinstance(found, Target), found
    return found


@pytest.mark.parametrize(("suffix", "kind", "code"), SUFFIXES)
def test_a_uuid_and_its_suffixes_are_read(suffix: str, kind: PingKind, code: int | None) -> None:
    assert target(f"/ping/{TOKEN}{suffix}") == Target(kind, token=TOKEN, exit_code=code)


@pytest.mark.parametrize(("suffix", "kind", "code"), SUFFIXES)
def test_a_key_with_a_slug_takes_the_same_suffixes(suffix: str, kind: PingKind, code: int | None) -> None:
    assert target(f"/ping/Key_1/nightly-a{suffix}") == Target(
        kind, key="Key_1", slug="nightly-a", exit_code=code
    )


@pytest.mark.parametrize(("suffix", "kind", "code"), SUFFIXES)
def test_an_open_slug_takes_the_same_suffixes(suffix: str, kind: PingKind, code: int | None) -> None:
    assert target(f"/api/ping/nightly{suffix}") == Target(kind, slug="nightly", open=True, exit_code=code)


def test_a_uuid_may_end_in_a_slash_and_a_slug_may_not() -> None:
    assert target(f"/ping/{TOKEN}/").token == TOKEN
    assert parse_ping("/ping/key/slug/", b"") == NOT_FOUND
    assert parse_ping(f"/ping/{TOKEN}/start/", b"") == NOT_FOUND


@pytest.mark.parametrize(
    "path",
    ["/ping", "/ping/", "/ping/x", f"/ping/{TOKEN}/start/", "/ping/a/b/c", "/ping/a/b/-1", "/ping/a/b/1/2",
     "/ping//slug", "/ping/ключ/slug", "/ping/a/b\n", "/ping/a/b/\u0661", f"/ping/{TOKEN}\n", "/pings/a/b"],
)  # fmt: skip
def test_what_is_no_ping_address_is_not_found(path: str) -> None:
    assert parse_ping(path, b"") == NOT_FOUND


def test_an_unknown_suffix_of_a_uuid_is_read_as_key_and_slug_as_healthchecks_does() -> None:
    assert target(f"/ping/{TOKEN}/stop").key == TOKEN


@pytest.mark.parametrize("slug", ["Nightly", "NIGHTLY", "a" * 101])
def test_a_slug_in_upper_case_or_too_long_is_an_invalid_url(slug: str) -> None:
    assert parse_ping(f"/ping/key/{slug}", b"") == BAD_URL


@pytest.mark.parametrize("code", ["256", "999", "1000", "9" * 5000])
def test_an_exit_code_above_255_is_a_fault_told_once_the_monitor_is_found(code: str) -> None:
    assert target(f"/ping/{TOKEN}/{code}").fault == "invalid url format"


@pytest.mark.parametrize("rid", ["0B8F4A1E-6C7D-4E2F-9A3B-5C1D2E3F4A5B", TOKEN])
def test_a_rid_in_any_case_is_kept_in_lower_case(rid: str) -> None:
    assert target(f"/ping/{TOKEN}/start", f"rid={rid}".encode()).rid == TOKEN


@pytest.mark.parametrize(
    "query", [b"rid=", b"rid", b"rid=1", b"rid=%ff%fe", b"rid=" + b"a" * 5000, b"rid=x&rid="]
)
def test_a_bad_or_empty_rid_is_an_invalid_uuid(query: bytes) -> None:
    assert target(f"/ping/{TOKEN}", query).fault == "invalid uuid format"


@pytest.mark.parametrize(
    ("query", "create"),
    [(b"create=1", True), (b"create=0", False), (b"create=true", False), (b"create=01", False),
     (b"create", False), (b"", False), (b"a=b&create=1", True), (b"create=0&create=1", True)],
)  # fmt: skip
def test_only_the_literal_one_asks_to_create(query: bytes, create: bool) -> None:
    assert target("/ping/key/slug", query).create is create


def test_a_uuid_is_never_created() -> None:
    assert target(f"/ping/{TOKEN}", b"create=1").create is False


@given(st.text(), st.binary())
def test_hostile_text_never_raises(path: str, query: bytes) -> None:
    assert isinstance(parse_ping(path, query), Target | Refusal)


@given(st.text(max_size=30), st.binary(max_size=60))
def test_hostile_text_behind_the_prefix_never_raises(rest: str, query: bytes) -> None:
    found = parse_ping("/ping/" + rest, query)
    assert isinstance(found, Target | Refusal)
    if isinstance(found, Refusal):
        assert found.status in (400, 404)


@given(st.uuids(), st.integers(0, 255), st.integers(0, 5), st.uuids())
def test_every_uuid_code_and_rid_comes_back_as_it_went_in(
    token: UUID, code: int, zeros: int, rid: UUID
) -> None:
    found = target(f"/ping/{token}/{'0' * zeros}{code}", f"rid={str(rid).upper()}".encode())
    assert (found.token, found.exit_code, found.rid) == (str(token), code, str(rid))
    assert found.kind is (PingKind.FAIL if code else PingKind.SUCCESS)


# The body


def test_a_json_body_carries_progress_and_time() -> None:
    body = parse_body(b'{"processed": 12, "backlog": 30000, "at": 1799999000, "output": "done"}', "", NOW)
    assert body == Body(at=1_799_999_000.0, processed=12.0, backlog=30_000.0)


@pytest.mark.parametrize(
    ("text", "at"),
    [("2027-01-15T08:00:00Z", NOW), ("2027-01-15T09:00:00+01:00", NOW), ("2027-01-15T07:59:00", NOW - 60)],
)
def test_a_time_may_be_rfc_3339(text: str, at: float) -> None:
    assert parse_body(f'{{"at": "{text}"}}'.encode(), "", NOW).at == at


def test_a_time_in_the_future_is_now_and_an_ancient_one_stays_old() -> None:
    assert parse_body(b'{"at": 9999999999}', "", NOW).at == NOW
    assert parse_body(b'{"at": 5}', "", NOW).at == NOW - OLDEST


@pytest.mark.parametrize(
    "raw",
    [b"plain text", b"{broken", b"[1, 2]", b"\xff\xfe{", b'{"processed": NaN}', b"{" * 5000,
     b'{"a":' * 50_000, b'{"processed": ' + b"9" * 5000 + b"}", b"", b"\x00" * 10],
)  # fmt: skip
def test_what_is_no_such_json_says_nothing(raw: bytes) -> None:
    assert parse_body(raw, "application/json", NOW) == Body()


@pytest.mark.parametrize("value", ['"3"', "true", "-1", "null", "[]", "1e999", "{}"])
def test_rubbish_in_a_field_is_as_if_it_were_not_there(value: str) -> None:
    body = parse_body(f'{{"processed": {value}, "backlog": 5}}'.encode(), "", NOW)
    assert (body.processed, body.backlog) == (None, 5.0)


@given(st.binary(max_size=200), st.sampled_from(["", "application/json", "text/plain"]))
def test_hostile_bytes_never_raise(raw: bytes, content_type: str) -> None:
    for prefix in (b"", b"{", b'{"at":', b'{"output":"'):
        assert isinstance(parse_body(prefix + raw, content_type, NOW), Body)
