"""What goes into the store comes out as it was, and rows of other versions are read all the same."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from checker.model import (
    Cause,
    Event,
    Incident,
    Kind,
    Member,
    MonitorSpec,
    MonitorState,
    Notification,
    Severity,
    State,
)
from checker.store import codec

times = st.one_of(st.none(), st.floats(0, 4e9))
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)
states = st.builds(
    MonitorState,
    state=st.sampled_from(State),
    since=st.floats(0, 4e9),
    cause=st.sampled_from(Cause),
    reason=st.text(max_size=50),
    failures=st.integers(0, 1000),
    last_good=times,
    runs=st.lists(st.tuples(st.text(max_size=36), st.floats(0, 4e9)), max_size=3).map(tuple),
    pings=st.integers(0, 2**40),
    due_at=times,
    deadline=times,
    value=values,
    unit=st.one_of(st.none(), st.text(max_size=5)),
    allowance=st.floats(0, 1e6),
)


@given(states)
def test_a_state_comes_back_as_it_was(state: MonitorState) -> None:
    assert codec.state_of(str(state.state), state.since, state.deadline, codec.state_to(state)) == state


def test_every_field_of_a_state_is_stored() -> None:
    columns = {"state", "since", "deadline", "told"}
    assert {each.name for each in fields(MonitorState)} == columns | set(codec._STATE_FIELDS)


def test_every_field_of_a_specification_is_stored() -> None:
    columns = {"kind", "name", "slug", "token", "parent", "source", "schedule", "rules", "probe"}
    assert {each.name for each in fields(MonitorSpec)} == columns | set(codec._SPEC_DEFAULTS)


def test_the_defaults_left_out_are_the_defaults_of_a_specification() -> None:
    assert codec.spec_to(MonitorSpec(Kind.ENDPOINT, "x")) == {}


def test_a_state_of_an_older_or_newer_version_is_read() -> None:
    state = MonitorState(reason="x", looks=1)
    row = json.loads(codec.state_to(state))
    assert codec.state_of("new", 0.0, None, json.dumps([*row, "new field"])) == state
    assert codec.state_of("new", 0.0, None, json.dumps(row[:-4])) == replace(state, looks=0)


def test_what_json_cannot_say_is_said_otherwise() -> None:
    found = json.loads(codec.dumps({"a": math.nan, "b": [math.inf, {1: {2}}], "c": b"x"}))
    assert found == {"a": None, "b": [None, {"1": [2]}], "c": "b'x'"}


@given(st.text(alphabet=st.characters(), max_size=50))
def test_cleaned_text_can_be_stored_anywhere(text: str) -> None:
    cleaned = codec.clean(text + "\0\ud800", 100)
    assert "\0" not in cleaned
    cleaned.encode("utf-8")


def test_a_notification_comes_back_as_it_was_decided() -> None:
    member = Member(3, "shop/db:write", State.DOWN, "read-only", Cause.FAILING, 5.0, None, {"last_good": 4.0})
    incident = Incident(
        7, "shop", "key", "shop is down", "failing", 5.0, Severity.WARNING, None, 6.0, (member,), ("nightly",)
    )
    told = Notification(Event.UPDATED, incident, 8.0, "https://checker.example/incidents/7")
    assert codec.notification_of(json.loads(codec.dumps(codec.notification_to(told)))) == told
