"""Short ways to write down monitors and their observations in tests of the pure rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from checker.model import (
    Blind,
    Change,
    Command,
    Deadline,
    Kind,
    MonitorSpec,
    MonitorState,
    Observation,
    Ping,
    PingKind,
    Poll,
    State,
    Verdict,
)
from checker.schedule import Every
from checker.state import advance, initial

T0 = 1_767_225_600.0  # 2026-01-01 00:00 UTC


def heartbeat(**settings: Any) -> MonitorSpec:
    """A worker that signs every minute, with five minutes' grace."""
    base = MonitorSpec(
        kind=Kind.HEARTBEAT, name="worker", slug="worker", schedule=Every(60.0), grace=300.0, source="file"
    )
    return replace(base, **settings)


def endpoint(name: str = "shop", **settings: Any) -> MonitorSpec:
    return replace(MonitorSpec(kind=Kind.ENDPOINT, name=name, url=f"http://{name}.test/health"), **settings)


def component(name: str = "database:write", parent: str = "shop", **settings: Any) -> MonitorSpec:
    return replace(MonitorSpec(kind=Kind.COMPONENT, name=name, parent=parent), **settings)


def ping(kind: str, at: float, **more: Any) -> Ping:
    return Ping(PingKind(kind), at, **more)


def poll(verdict: str, at: float, **more: Any) -> Poll:
    return Poll(Verdict(verdict), at, **more)


class Life:
    """One monitor's life: what happened to it, and what was told. The watcher's part is played by `until`."""

    def __init__(self, spec: MonitorSpec, now: float = T0) -> None:
        self.spec = spec
        self.now = now
        self.state: MonitorState = initial(spec, now)
        self.changes: list[Change] = []

    def see(self, observation: Observation, now: float | None = None) -> MonitorState:
        self.now = max(self.now, observation.at) if now is None else now
        self.state, changes = advance(self.spec, self.state, observation, self.now)
        assert len(changes) <= 1
        self.changes += changes
        return self.state

    def ping(self, kind: str = "success", after: float = 0.0, **more: Any) -> MonitorState:
        """Let `after` seconds pass, deadlines and all, and receive a ping."""
        self.until(self.now + after)
        more.setdefault("at", self.now)
        return self.see(ping(kind, **more), self.now)

    def poll(self, verdict: str, after: float = 30.0, **more: Any) -> MonitorState:
        self.now += after
        return self.see(poll(verdict, self.now, **more))

    def polls(self, verdicts: str) -> list[str]:
        """Poll p(ass), w(arn), f(ail) in turn; return the state after each."""
        words = {"p": "pass", "w": "warn", "f": "fail"}
        return [str(self.poll(words[letter]).state) for letter in verdicts]

    def until(self, moment: float) -> MonitorState:
        """Let time pass; every deadline is seen the moment it passes."""
        while self.state.deadline is not None and self.state.deadline <= moment:
            before = self.state
            self.see(Deadline(self.state.deadline), max(self.now, self.state.deadline))
            assert self.state != before, "a deadline that changes nothing would be asked for ever"
        self.now = max(self.now, moment)
        return self.state

    def wait(self, length: float) -> MonitorState:
        return self.until(self.now + length)

    def blind(self, length: float) -> MonitorState:
        """Let time pass unseen."""
        start, self.now = self.now, self.now + length
        return self.see(Blind(start, self.now), self.now)

    def command(self, verb: str) -> MonitorState:
        return self.see(Command(verb, self.now), self.now)

    @property
    def falls(self) -> list[str]:
        """Why it went down, each time."""
        return [str(change.cause) for change in self.changes if change.new is State.DOWN]

    @property
    def path(self) -> list[str]:
        return [str(change.new) for change in self.changes]


def states(changes: Iterable[Change]) -> list[str]:
    return [str(change.new) for change in changes]
