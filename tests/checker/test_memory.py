"""Components that vanish are said to be gone, and only where a document really says so."""

from __future__ import annotations

import json
from typing import Any

from checker.http import Response
from checker.memory import HIDDEN, VANISHED, Memory
from checker.model import Cause, Kind, MonitorSpec, Origin, Poll, Verdict
from checker.probe_spec import ComponentRule, ProbeSpec
from checker.reading import read

AT = 1_700_000_000.0
SPEC = MonitorSpec(Kind.ENDPOINT, "shop")
KNOWN = {"a:b": 1, "c:d": 2}


def answer(
    *names: str, status: int = 200, said: str = "pass", instance: str | None = None, **more: Any
) -> Poll:
    checks = {name: [{"status": "pass"}] for name in names}
    document = {"status": said, "checks": checks, "instance": instance, **more}
    body = json.dumps({key: value for key, value in document.items() if value is not None}).encode()
    return read(Response(status, {"content-type": "application/health+json"}, body), AT)


def memory(known: dict[str, int] | None = None) -> Memory:
    return Memory(lambda _: KNOWN if known is None else known)


def gone(poll: Poll) -> dict[str, str]:
    return {name: part.reason for name, part in poll.components if part.cause is Cause.GONE}


def test_a_document_with_all_of_them_is_handed_on_as_it_is() -> None:
    poll = answer("c:d", "a:b")
    assert memory().recall(1, SPEC, poll) is poll
    more = answer("a:b", "c:d", "new:x")
    assert memory().recall(1, SPEC, more) == more


def test_a_component_that_the_document_has_no_longer_is_gone_with_a_warning() -> None:
    found = memory().recall(1, SPEC, answer("a:b", "new:x"))
    assert gone(found) == {"c:d": VANISHED}
    assert dict(found.components)["c:d"].verdict is Verdict.WARN
    assert found.verdict is Verdict.PASS


def test_a_document_that_hides_its_parts_is_told_as_such() -> None:
    assert gone(memory().recall(1, SPEC, answer())) == {"a:b": HIDDEN, "c:d": HIDDEN}


def test_an_answer_that_tells_nothing_of_components_takes_none_away() -> None:
    proxy = read(Response(503, {"content-type": "text/html"}, b"<h1>503"), AT)
    error = read(Response(503, {"content-type": "application/json"}, b'{"status": "error"}'), AT)
    partly = answer("a:b", checks={"a:b": [{"status": "pass"}, 7]})
    unreachable = Poll(Verdict.FAIL, AT, Cause.UNREACHABLE)
    for poll in (proxy, error, partly, unreachable):
        assert memory().recall(1, SPEC, poll) is poll


def test_a_check_that_says_nothing_this_time_is_not_gone() -> None:
    body = {"checkResults": [{"name": "a:b", "status": "ok"}, {"name": "c:d", "status": "skipped"}]}
    poll = read(Response(200, {"content-type": "application/json"}, json.dumps(body).encode()), AT)
    assert gone(memory().recall(1, SPEC, poll)) == {}


def test_a_component_that_is_ignored_is_neither_looked_at_nor_missed() -> None:
    probe = ProbeSpec(components=(ComponentRule("c:*", ignore=True),))
    spec = MonitorSpec(Kind.ENDPOINT, "shop", probe=probe)
    assert gone(memory().recall(1, spec, answer("a:b"))) == {}


def test_while_instances_differ_a_component_is_there_as_long_as_one_has_it() -> None:
    remembering = memory()
    for _ in range(3):
        assert gone(remembering.recall(1, SPEC, answer("a:b", "c:d", instance="old"))) == {}
        mixed = remembering.recall(1, SPEC, answer("a:b", instance="new"))
    assert gone(mixed) == {}
    for _ in range(20):
        last = remembering.recall(1, SPEC, answer("a:b", instance="new"))
    assert gone(last) == {"c:d": VANISHED}


def test_instances_are_told_apart_by_their_documents_and_endpoints_by_their_ids() -> None:
    remembering = memory({"a:b": 1})
    failing = {"a:b": [{"status": "fail", "output": "no route"}]}
    for name in ("x", "y", "x"):
        remembering.recall(1, SPEC, answer("a:b", instance=name))
    found = remembering.recall(1, SPEC, answer(said="fail", status=503, checks=failing, instance="y"))
    assert (found.verdict, found.reason) == (Verdict.WARN, "1 of 2 instances: y: a:b: no route")
    other = remembering.recall(2, SPEC, answer(said="fail", status=503, checks=failing, instance="y"))
    assert other.verdict is Verdict.FAIL
    remembering.forget(1)
    assert (
        remembering.recall(1, SPEC, answer(said="fail", status=503, checks=failing, instance="y")).verdict
        is Verdict.FAIL
    )


def test_an_older_copy_takes_nothing_away() -> None:
    remembering = memory()
    origin: dict[str, Any] = {"instance": "x", "time": "2023-11-14T22:13:20Z"}
    remembering.recall(1, SPEC, answer("a:b", "c:d", sequence=9, **origin))
    older = answer("a:b", sequence=8, **{**origin, "time": "2023-11-14T22:13:19Z"})
    assert older.origin == Origin("x", 8, AT - 1, ())
    assert remembering.recall(1, SPEC, older).components == ()


def test_of_a_check_whose_parts_come_and_go_a_missing_one_is_no_news() -> None:
    calls = [{"status": "pass", "partsVary": True}, {"status": "fail", "componentId": "api.stripe.com"}]
    poll = answer(checks={"out:rate": calls})
    assert [name for name, _ in poll.components] == ["out:rate", "out:rate#api.stripe.com"]
    known = {"out:rate": 1, "out:rate#api.stripe.com": 2, "out:rate#api.twilio.com": 3, "c:d": 4}

    found = memory(known).recall(1, SPEC, poll)

    assert gone(found) == {"c:d": VANISHED}
    assert dict(found.components)["out:rate#api.twilio.com"].verdict is Verdict.PASS


def test_a_check_whose_parts_come_and_go_keeps_its_name_however_many_there_are() -> None:
    whole = {"status": "pass", "partsVary": True}
    names = [
        [name for name, _ in answer(checks={"out:rate": [whole, *parts]}).components]
        for parts in ([], [{"status": "pass", "componentId": "a"}])
    ]
    assert names == [["out:rate"], ["out:rate", "out:rate#a"]]
