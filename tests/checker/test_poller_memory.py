"""Through the poller: instances behind a balancer, conditions, what vanishes, documents of other makes."""

from __future__ import annotations

import json
from typing import Any

from checker.model import Cause, MonitorState, State
from checker.probe_spec import ProbeSpec
from checker.store import Store, door
from tests.checker.test_poller import Bench, database, endpoint, run
from tests.recording import Answer, RecordingServer

__all__ = ["database"]  # a fixture


def says(status: int, said: str, *parts: str, instance: str = "", **more: Any) -> Answer:
    """A health document of an instance, whose parts all say the same."""
    entry = {"status": said} if said == "pass" else {"status": said, "output": "no route"}
    document = {
        "status": said,
        "instance": instance or None,
        "checks": {each: [entry] for each in parts},
        **more,
    }
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/health+json"})


async def look(parts: Bench, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        assert len(await parts.poller.once(1000.0 + 60.0 * number)) == 1


def state_of(parts: Bench, name: str) -> MonitorState:
    monitor_id = parts.registry.full_name(name)
    assert monitor_id is not None
    return parts.store.read_now(lambda conn: door.load_states(conn, [monitor_id]))[monitor_id]


def test_one_bad_instance_of_two_is_a_warning_that_names_it(database: Store) -> None:
    async def work(parts: Bench) -> None:
        good, bad = says(200, "pass", "db:write", instance="a"), says(503, "fail", "db:write", instance="b")
        with RecordingServer(*[good, bad] * 5) as server:
            await parts.watch(endpoint("shop", server.url, fail_after=2))
            await parts.poller.once(0.0)
            await look(parts, 10)
        for name in ("shop", "shop/db:write"):
            assert state_of(parts, name).state is State.WARN
        assert state_of(parts, "shop").reason == "1 of 2 instances: b: db:write: no route"
        assert state_of(parts, "shop/db:write").reason == "1 of 2 instances: b: no route"

    run(database, work)


def test_a_component_that_vanishes_is_gone_and_a_proxy_takes_none_away(database: Store) -> None:
    async def work(parts: Bench) -> None:
        both, one = says(200, "pass", "db:write", "queue:depth"), says(200, "pass", "db:write")
        proxy = Answer(503, b"<h1>unavailable", {"Content-Type": "text/html"})
        with RecordingServer(both, both, proxy, proxy, one, one) as server:
            await parts.watch(endpoint("shop", server.url))
            await parts.poller.once(0.0)
            await look(parts, 4)
            assert state_of(parts, "shop").state is State.DOWN
            assert state_of(parts, "shop/queue:depth").state is State.UP
            await look(parts, 2, start=4)
        gone = state_of(parts, "shop/queue:depth")
        assert (gone.state, gone.cause) == (State.WARN, Cause.GONE)
        assert state_of(parts, "shop").state is State.UP

    run(database, work)


def test_a_foreign_document_and_a_condition_with_the_value_that_was_seen(database: Store) -> None:
    async def work(parts: Bench) -> None:
        spring = {
            "status": "UP",
            "components": {"db": {"status": "UP"}, "disk": {"status": "UP", "details": {"free": 5}}},
        }
        answer = Answer(200, json.dumps(spring).encode(), {"Content-Type": "application/json"})
        with RecordingServer(default=answer) as server:
            probing = ProbeSpec(conditions=("body.components.disk.details.free > 10",))
            await parts.watch(endpoint("shop", server.url, probe=probing))
            await parts.poller.once(0.0)
            await look(parts, 3)
        state = state_of(parts, "shop")
        assert (state.state, state.cause) == (State.DOWN, Cause.CONDITION)
        assert state.reason == "body.components.disk.details.free > 10: it is 5"
        assert state_of(parts, "shop/db").state is State.UP

    run(database, work)
