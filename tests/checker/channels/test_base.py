"""What the base does for every channel: send, time out, judge the answer, guard the address, keep secrets."""

from __future__ import annotations

import asyncio
import time

import pytest

from checker.channels import KINDS, ChannelError, build
from checker.channels.base import retry_after
from checker.http import Http, Response
from checker.model import ChannelSpec
from healthkit.errors import ConfigurationError
from tests.checker import hostile
from tests.checker.channels.samples import AT, HTTP_KINDS, notification, refusal_of, settings, tell
from tests.checker.hostile import HostileServer
from tests.recording import Answer, RecordingServer, refused_url

TAKEN = b'{"ok": true, "id": "9", "ts": "1.2", "channel": "C1", "result": {"message_id": 5}}'


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_message_is_posted_once_as_json_with_its_delivery_key(kind: str) -> None:
    with RecordingServer(Answer(200, TAKEN)) as server:
        tell(kind, settings(kind, server.url + "/hook"), notification(), dedup="outbox-1:ops")
    [received] = server.requests
    assert received.method == "POST"
    assert received.path.startswith("/hook")
    assert received.headers["content-type"].startswith("application/json")
    assert received.headers["idempotency-key"] == "outbox-1:ops"
    assert received.headers["x-healthkit-delivery"] == "outbox-1:ops"
    assert isinstance(received.json(), dict)


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize(
    ("status", "permanent"),
    [(500, False), (502, False), (503, False), (408, False), (429, False), (302, False),
     (400, True), (401, True), (403, True), (404, True), (410, True), (301, True)],
)  # fmt: skip
def test_the_status_tells_whether_trying_again_is_of_use(kind: str, status: int, permanent: bool) -> None:
    with RecordingServer(Answer(status, b"no_service", {"Location": "/elsewhere"})) as server:
        error = refusal_of(kind, settings(kind, server.url + "/T0/SECRET"))
        assert len(server.requests) == 1  # no redirect is followed
    assert error.permanent is permanent
    assert f"answered {status}: no_service" in error.reason
    assert "SECRET" not in error.reason


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_server_that_is_busy_first_takes_the_message_later(kind: str) -> None:
    busy = Answer(429, b"", {"Retry-After": "7"})
    with RecordingServer(Answer(500), busy, Answer(200, TAKEN)) as server:
        given = settings(kind, server.url)
        assert refusal_of(kind, given).retry_after is None
        assert refusal_of(kind, given).retry_after == 7
        tell(kind, given, notification())
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"retry-after": "30"}, b"", 30),
        ({"retry-after": "Tue, 14 Nov 2023 22:15:20 GMT"}, b"", 120),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, b"", 0),
        ({"retry-after": "-5"}, b"", 0),
        ({"retry-after": "1e99"}, b"", 3600),
        ({"retry-after": "nan"}, b"", None),
        ({"retry-after": "soon"}, b"", None),
        ({}, b'{"retry_after": 0.75}', 0.75),
        ({}, b'{"retry_after": "x"}', None),
        ({}, b"[" * 100_000, None),
        ({}, b"", None),
    ],
)
def test_how_long_to_wait_is_read_from_header_or_body(
    headers: dict[str, str], body: bytes, wait: float | None
) -> None:
    assert retry_after(Response(429, headers, body), AT) == wait


def test_a_reset_after_the_body_was_read_is_tried_again() -> None:
    with RecordingServer(Answer(fault="reset")) as server:
        error = refusal_of("webhook", {"url": server.url})
    assert not error.permanent


def test_a_receiver_that_is_down_hangs_or_drips_is_tried_again_and_given_up_in_time() -> None:
    assert not refusal_of("webhook", {"url": refused_url()}).permanent
    for behaviour in (hostile.hang, hostile.drip):
        with HostileServer(behaviour) as server:
            start = time.monotonic()
            error = refusal_of("webhook", {"url": server.url, "timeout": "300ms"})
            assert time.monotonic() - start < 3
        assert not error.permanent
        assert "0.3 s" in error.reason


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_metadata_address_is_never_posted_to(kind: str) -> None:
    error = refusal_of(kind, settings(kind, "http://169.254.169.254/latest"))
    assert error.permanent
    assert "metadata" in error.reason


def test_private_addresses_are_refused_where_the_user_says_so() -> None:
    with RecordingServer() as server:
        error = refusal_of("webhook", {"url": server.url, "allow_private": False})
        assert not server.requests
    assert error.permanent


async def _build(spec: ChannelSpec) -> str:
    async with Http() as http:
        return repr(build(spec, http))


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("webhook", {}, '"url" is missing'),
        ("webhook", {"url": "http://h", "template": "{{ titel }}"}, "'titel' is undefined"),
        ("webhook", {"url": "http://h", "template": "{{"}, "is not a template"),
        ("webhook", {"url": "http://h", "template": "{{ title }}"}, "made no JSON"),
        ("webhook", {"url": "http://h", "template": "1", "template_file": "/x"}, "exclude each other"),
        ("webhook", {"url": "http://h", "template_file": "x.json"}, "absolute"),
        ("webhook", {"url": "http://h", "template_file": "/no/such/file"}, "cannot be read"),
        ("slack", {}, '"url" is missing; or give "token"'),
        ("slack", {"token": "x"}, 'goes with "channel"'),
        ("slack", {"url": "http://h", "channel": "C"}, '"token" is missing'),
        ("slack", {"url": "http://h", "token": "x", "channel": "C"}, 'without "url"'),
        ("telegram", {"token": "SECRET/..", "chat": 1}, '"token" must be a bot'),
        ("telegram", {"token": "1:a", "chat": True}, '"chat" must be'),
        ("telegram", {"token": "1:a", "chat": 1, "topic": "x"}, '"topic" must be'),
        ("ntfy", {"topic": "a/b"}, '"topic" must be letters'),
        ("ntfy", {"topic": "a", "username": "x"}, 'goes with "password"'),
        ("teams", {}, '"url" is missing'),
        ("webhook", {"url": "hooks.example"}, '"url" is not a URL'),
        ("webhook", {"url": ""}, '"url" must be text'),
        ("webhook", {"url": 7}, '"url" must be text'),
        ("webhook", {"url": "http://h", "headers": ["x"]}, '"headers" must be a table'),
        ("webhook", {"url": "http://h", "timeout": "soon"}, '"timeout"'),
        ("webhook", {"url": "http://h", "allow_private": "yes"}, '"allow_private" must be true or false'),
        ("pagerduty", {}, '"routing_key" is missing'),
        ("email", {}, '"from", "host", "to" is missing'),
        ("email", {"host": "h", "from": "a@b", "to": "nobody"}, "not an e-mail address"),
        ("email", {"host": "h", "from": "a@b\r\nBcc: c@d", "to": "a@b"}, "not an e-mail address"),
        ("email", {"host": "h", "from": "a@b", "to": []}, "names nobody"),
        ("email", {"host": "h", "from": "a@b", "to": "a@b", "port": 0}, '"port"'),
        ("email", {"host": "h", "from": "a@b", "to": "a@b", "security": "ssl"}, '"security" must be one of'),
        ("apprise", {"url": "nonsense"}, "not one that Apprise understands"),
        ("pigeon", {}, 'unknown kind "pigeon"; known are webhook'),
    ],
)
def test_a_setting_that_cannot_be_meant_is_told_with_channel_and_key(
    kind: str, given: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(_build(ChannelSpec("ops", kind, given)))
    assert words in str(caught.value)
    assert '"ops"' in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    given = {"url": "https://hooks.example/SECRET", "secret": "SECRET"}
    assert "SECRET" not in asyncio.run(_build(ChannelSpec("ops", "webhook", given)))


def test_every_kind_of_the_contract_is_there() -> None:
    assert set(KINDS) == {
        "webhook", "slack", "discord", "email", "pagerduty", "teams", "telegram", "ntfy", "apprise",
    }  # fmt: skip
    for kind in KINDS.values():
        assert not kind.required & kind.optional
    assert ChannelError("x").permanent is False
