"""What did not change need not be sent again, and means what it meant."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from checker.http import Http
from checker.kept import IN_FULL_EVERY, Kept
from checker.model import Kind, MonitorSpec, Poll, Verdict
from checker.probe import probe
from checker.probe_spec import ProbeSpec
from tests.recording import Answer, RecordingServer

AT = 1_700_000_000.0
TAGGED = {"Content-Type": "application/health+json", "ETag": '"one"'}
NOT_MODIFIED = Answer(304, b"", {"ETag": '"one"'})


def document(**more: Any) -> bytes:
    checks = {"queue:depth": [{"status": "warn", "output": "12 wait", "observedValue": 12}]}
    return json.dumps({"status": "warn", "checks": checks, **more}).encode()


def looks(server: RecordingServer, count: int, *, step: float = 1.0, **fields: Any) -> list[Poll]:
    """Look `count` times, `step` seconds apart."""
    spec = MonitorSpec(Kind.ENDPOINT, "shop", url=server.url, **fields)

    async def main() -> list[Poll]:
        kept = Kept()
        async with Http() as http:
            return [await probe(http, spec, clock=lambda: AT + n * step, kept=kept) for n in range(count)]  # noqa: B023

    return asyncio.run(main())


def conditions(server: RecordingServer) -> list[str | None]:
    return [each.headers.get("if-none-match") for each in server.requests]


def told(poll: Poll) -> tuple[Any, ...]:
    parts = [(key, part.verdict, part.value, part.at) for key, part in poll.components]
    return poll.verdict, poll.reason, poll.http_status, parts


def test_an_answer_that_was_not_modified_means_what_the_one_before_it_said() -> None:
    with RecordingServer(Answer(200, document(), TAGGED), default=NOT_MODIFIED) as server:
        first, second, third = looks(server, 3)
        assert conditions(server) == [None, '"one"', '"one"']
    assert second.latency is not None
    assert told(second) == told(replace(first, components=_at(first, AT + 1)))
    assert (third.verdict, third.at) == (Verdict.WARN, AT + 2)


def _at(poll: Poll, at: float) -> tuple[tuple[str, Poll], ...]:
    return tuple((key, replace(part, at=at)) for key, part in poll.components)


def test_what_was_modified_is_read_and_its_tag_is_the_next_condition() -> None:
    other = Answer(200, json.dumps({"status": "pass"}).encode(), {**TAGGED, "ETag": '"two"'})
    with RecordingServer(Answer(200, document(), TAGGED), other, default=other) as server:
        first, second, _ = looks(server, 3)
        assert conditions(server) == [None, '"one"', '"two"']
    assert (first.verdict, second.verdict) == (Verdict.WARN, Verdict.PASS)


def test_after_a_failure_the_whole_answer_is_asked_for() -> None:
    failed = Answer(503, json.dumps({"status": "fail"}).encode(), TAGGED)
    with RecordingServer(
        Answer(200, document(), TAGGED), failed, default=Answer(200, document(), TAGGED)
    ) as server:
        assert [each.verdict for each in looks(server, 3)] == [Verdict.WARN, Verdict.FAIL, Verdict.WARN]
        assert conditions(server) == [None, '"one"', None]


def test_now_and_then_the_whole_answer_is_asked_for_whatever_its_tag() -> None:
    with RecordingServer(default=Answer(200, document(), TAGGED)) as server:
        looks(server, 3, step=IN_FULL_EVERY)
        assert conditions(server) == [None, None, None]


def test_a_document_that_names_its_instance_is_always_asked_for_in_full() -> None:
    with RecordingServer(default=Answer(200, document(instance="web-1", sequence=7), TAGGED)) as server:
        looks(server, 2)
        assert conditions(server) == [None, None]


def test_no_condition_where_the_answer_is_to_be_proved_or_is_no_answer_to_a_get() -> None:
    for asked in (ProbeSpec(prove=True), ProbeSpec(method="POST")):
        with RecordingServer(default=Answer(200, document(), TAGGED)) as server:
            looks(server, 2, probe=asked)
            assert conditions(server) == [None, None]


def test_a_condition_of_ones_own_stays() -> None:
    own: Mapping[str, str] = {"If-None-Match": '"mine"'}
    with RecordingServer(default=Answer(200, document(), TAGGED)) as server:
        looks(server, 2, headers=own)
        assert conditions(server) == ['"mine"', '"mine"']


def test_a_304_that_nobody_asked_for_counts_by_its_status_code() -> None:
    with RecordingServer(default=NOT_MODIFIED) as server:
        (only,) = looks(server, 1)
    assert (only.verdict, only.components) == (Verdict.PASS, ())
