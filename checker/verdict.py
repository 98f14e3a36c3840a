"""What to say of all monitors together: one sentence, and the document programs read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from checker.model import Cause, Kind, MonitorState, State
from checker.store.stands import Stand
from checker.store.views import Watched

AFFECTED = 6  # names that are listed before the rest is counted


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: its colour's name and its word."""

    tone: str
    label: str


LOOKS = {
    State.UP: Look("ok", "working"),
    State.WARN: Look("warn", "degraded"),
    State.GRACE: Look("warn", "late"),
    State.DOWN: Look("bad", "down"),
    State.NEW: Look("mute", "no sign yet"),
    State.PAUSED: Look("mute", "paused"),
}
TROUBLED = (State.DOWN, State.WARN)
_BADNESS = (State.DOWN, State.WARN, State.GRACE, State.NEW, State.UP)
GONE = Look("warn", "gone")


def look_of(state: MonitorState) -> Look:
    """Return how a monitor's own state is shown; a component that its document has no longer is gone."""
    if state.state is State.WARN and state.cause is Cause.GONE:
        return GONE
    return LOOKS[state.state]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one sentence on top; `word` is "down", "warn", "new" or "up", for programs."""

    word: str
    text: str
    detail: str

    @property
    def tone(self) -> str:
        """The colour's name."""
        return {"down": "bad", "warn": "warn", "new": "mute", "up": "ok"}[self.word]


def worst(watched: Watched) -> State:
    """Return the state a monitor counts with: its own, or a worse one of its components."""
    return _worst(watched.state.state, [part.state.state for part in watched.components])


def _worst(own: State, parts: Iterable[State]) -> State:
    if own is State.PAUSED:
        return own
    return min([own, *(part for part in parts if part in TROUBLED)], key=_BADNESS.index)


def verdict(monitors: Sequence[Watched]) -> Verdict:
    """Return what to say of all monitors together; an endpoint counts once, with its components."""
    states = [worst(monitor) for monitor in monitors]
    down = [monitor.spec.name for monitor, state in zip(monitors, states, strict=True) if state is State.DOWN]
    return summed_up(Counter(states), names(down))


def summed_up(count: Counter[State], down: str) -> Verdict:
    """Return what to say of so many in each state; `down` names those that are."""
    detail = down or _detail(count)
    alive = count.total() - count[State.PAUSED]
    if count[State.DOWN]:
        verb = "thing is" if count[State.DOWN] == 1 else "things are"
        return Verdict("down", f"{count[State.DOWN]:,} {verb} down", detail)
    if count[State.WARN]:
        verb = "thing is" if count[State.WARN] == 1 else "things are"
        return Verdict("warn", f"{count[State.WARN]:,} {verb} degraded, nothing is down", detail)
    if not alive:
        text = "Everything is paused" if count.total() else "Nothing is watched yet"
        return Verdict("new", text, detail)
    if count[State.NEW] == alive:
        return Verdict("new", "Waiting for the first signs", detail)
    working = alive - count[State.NEW]
    if working < alive:
        return Verdict("up", f"{working:,} of {alive:,} are working, the rest gave no sign yet", detail)
    return Verdict("up", "It is working" if alive == 1 else f"All {alive:,} are working", detail)


def _detail(count: Counter[State]) -> str:
    words = [(State.GRACE, "late"), (State.NEW, "without a sign yet"), (State.PAUSED, "paused")]
    said = [f"{count[state]:,} {word}" for state, word in words if count[state]]
    if said:
        return ", ".join(said)
    return f"{count.total():,} watched" if count.total() else "Add an endpoint or a heartbeat."


def names(found: Sequence[str], limit: int = AFFECTED) -> str:
    """Return names in a row, those beyond `limit` as a count."""
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(found[:limit]) + more


def as_json(everything: Sequence[Stand]) -> dict[str, Any]:
    """Return the document of `/api/status` and of `healthkit-checker status --json`."""
    states = [_worst(each.state, [part.state for part in each.components]) for each in everything]
    down = [each.name for each, state in zip(everything, states, strict=True) if state is State.DOWN]
    said = summed_up(Counter(states), names(down))
    return {
        "verdict": said.word,
        "summary": said.text,
        "monitors": [_monitor_json(each) for each in everything],
    }


def _monitor_json(each: Stand) -> dict[str, Any]:
    document = {"name": each.name, "kind": each.kind.value, **_state_json(each)}
    if each.kind is Kind.HEARTBEAT:
        document["started"] = each.started
    document["components"] = [{"name": part.name, **_state_json(part)} for part in each.components]
    return document


def _state_json(each: Stand) -> dict[str, Any]:
    return {
        "state": each.state.value,
        "since": each.since,
        "reason": each.reason,
        "cause": each.cause.value,
    }
