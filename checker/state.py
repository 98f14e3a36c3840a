"""The heart: `advance(spec, state, observation, now)`. Pure: no clock, no I/O, and it never raises.

Every observation of every monitor goes through here, and nothing else makes a `MonitorState` or a `Change`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from checker.model import Blind, Command, Deadline, Kind, MonitorSpec, MonitorState, Observation, Ping, Poll
from checker.rules import heartbeat, poll
from checker.rules.expectation import due_after, timed
from checker.rules.transition import Step


def initial(spec: MonitorSpec, now: float) -> MonitorState:
    """Return the state of a monitor that begins to be watched: new, and if it is from the file, expected."""
    state = MonitorState(since=now)
    if spec.kind is not Kind.HEARTBEAT:
        return state
    return timed(spec, heartbeat.expecting(spec, state, now))


def advance(spec: MonitorSpec, state: MonitorState, observation: Observation, now: float) -> Step:
    """Return the state after an observation, and the changes it made: at most one.

    One that is of the other kind of monitor (a poll of a heartbeat, a ping of an endpoint) changes nothing.
    """
    if spec.kind is Kind.HEARTBEAT:
        return _heartbeat(spec, state, observation, now)
    if isinstance(observation, Poll):
        return poll.on_poll(spec, state, observation, now)
    if isinstance(observation, Command):
        return poll.on_command(state, observation, now)
    return state, ()


def respecified(spec: MonitorSpec, state: MonitorState, now: float) -> MonitorState:
    """Return the state under a changed specification: what is expected is counted anew from `now`."""
    if spec.kind is not Kind.HEARTBEAT or state.due_at is None:
        return timed(spec, state) if spec.kind is Kind.HEARTBEAT else state
    return timed(spec, replace(state, due_at=due_after(spec, now)))


def caught_up(spec: MonitorSpec, state: MonitorState, times: Sequence[Blind]) -> MonitorState:
    """Return the state with those of the blind times behind it that it was not told of yet, in their order.

    Nobody tells a million heartbeats of each blind time: whoever looks at a state next does. What lies before
    its `since` is none of its business: it was told then, or was not there.
    """
    if spec.kind is not Kind.HEARTBEAT or not times or state.told >= times[-1].number:
        return state  # the common case
    for each in times:
        if each.number > state.told:
            rest = Blind(max(each.start, state.since), each.end, each.number)
            state, _ = heartbeat.on_blind(spec, state, rest)
    return state


def _heartbeat(spec: MonitorSpec, state: MonitorState, observation: Observation, now: float) -> Step:
    if isinstance(observation, Ping):
        return heartbeat.on_ping(spec, state, observation, now)
    if isinstance(observation, Deadline):
        return heartbeat.on_deadline(spec, state, now)
    if isinstance(observation, Blind):
        return heartbeat.on_blind(spec, state, observation)
    if isinstance(observation, Command):
        return heartbeat.on_command(spec, state, observation, now)
    return state, ()
