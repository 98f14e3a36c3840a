"""The instances behind one URL: a load balancer shows another one each time, and each is known by its name.

An instance is believed to live beside others once it came back after another one had answered: until then a
newcomer is the successor of the one before, as after a restart. One that was not met for long is forgotten.

- A few that are not well: a warning, "1 of 3 instances: ...", for as long as they are not met well again.
- More than half, or three different ones in a row: it is no matter of instances, and counts in full. It ends
  when two different ones in a row are well; what was known of the others is forgotten with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from checker.model import Cause, Origin, Poll, Verdict

MOST = 100  # instances that are told apart
UNMET = 6  # times as many looks as there are instances: by chance alone, one in some hundreds is that late
NAMED = 3
EVERYWHERE = 3  # different ones in a row
WELL_AGAIN = 2
WHOLE = ""  # the endpoint itself, among the names of its components
_ORDER = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.FAIL: 2}


@dataclass(slots=True)
class _Instance:
    """What is known of one: when it was met (counted in looks), and what was not well then."""

    met: int
    origin: Origin
    names: frozenset[str]
    bad: dict[str, Poll]
    lives_beside: bool = False


@dataclass(slots=True)
class _Row:
    """The different instances that said the same of one thing in a row, the last of them now."""

    is_bad: bool
    names: set[str] = field(default_factory=set)


class Crowd:
    """What the instances of one endpoint last said."""

    def __init__(self) -> None:
        self._look = 0
        self._instances: dict[str, _Instance] = {}
        self._latest = ""
        self._rows: dict[str, _Row] = {}
        self._everywhere: set[str] = set()

    def judge(self, poll: Poll, origin: Origin) -> Poll:
        """Return what a look at one instance says of the endpoint, by what is known of the others."""
        copy = self._is_older(origin)
        if copy:  # it tells how things were, not how they are
            return _doubted(poll, copy)
        self._meet(poll, origin)
        others = {
            name: each
            for name, each in self._instances.items()
            if name != origin.instance and each.lives_beside
        }
        if not others:
            self._rows.clear()
            self._everywhere.clear()
            return poll
        parts = tuple(
            (key, self._merged(key, part, origin.instance, others)) for key, part in poll.components
        )
        return replace(self._merged(WHOLE, poll, origin.instance, others), components=parts)

    def names(self) -> set[str]:
        """Return the components that any instance has which lives beside the latest, or is it."""
        found: set[str] = set()
        for name, each in self._instances.items():
            if each.lives_beside or name == self._latest:
                found |= each.names
        return found

    def _meet(self, poll: Poll, origin: Origin) -> None:
        self._look += 1
        name, known = origin.instance, self._instances.pop(origin.instance, None)
        came_back = known is not None and self._latest != name
        if known is not None and came_back:
            for each in self._instances.values():
                each.lives_beside = each.lives_beside or each.met > known.met
        names = known.names if known else frozenset()
        if len(names) != len(poll.components) or any(key not in names for key, _ in poll.components):
            names = frozenset(key for key, _ in poll.components)
        beside = came_back or (known is not None and known.lives_beside)
        self._instances[name] = _Instance(self._look, origin, names, _bad(poll), beside)
        self._latest = name
        self._forget()

    def _forget(self) -> None:
        longest = UNMET * len(self._instances)
        old = [name for name, each in self._instances.items() if each.met < self._look - longest]
        for name in old or list(self._instances)[: len(self._instances) - MOST]:
            del self._instances[name]

    def _merged(self, key: str, poll: Poll, me: str, others: dict[str, _Instance]) -> Poll:
        """Return what is to be said of one thing: of the endpoint, or of one of its components."""
        peers = {name: each for name, each in others.items() if key == WHOLE or key in each.names}
        self._count(key, poll, me, peers)
        bad = {name: each.bad[key] for name, each in peers.items() if key in each.bad}
        if poll.verdict is not Verdict.PASS:
            bad[me] = poll
        if not bad or not peers:
            return poll
        total = len(peers) + 1
        worst = max(bad.values(), key=lambda each: _ORDER[each.verdict])
        is_much = key in self._everywhere or 2 * len(bad) > total
        return replace(
            poll,
            verdict=worst.verdict if is_much else Verdict.WARN,
            cause=worst.cause,
            reason=f"{len(bad)} of {total} instances: {_said(sorted(bad.items()))}",
        )

    def _count(self, key: str, poll: Poll, me: str, peers: dict[str, _Instance]) -> None:
        """Keep count of who said the same in a row; see whether something begins or ends everywhere."""
        is_bad = poll.verdict is not Verdict.PASS
        row = self._rows.get(key)
        if row is None or row.is_bad is not is_bad:
            row = self._rows[key] = _Row(is_bad)
        row.names.add(me)
        if is_bad and (len(row.names) >= EVERYWHERE or all(key in each.bad for each in peers.values())):
            self._everywhere.add(key)
        elif not is_bad and key in self._everywhere and len(row.names) >= WELL_AGAIN:
            self._everywhere.discard(key)
            for each in peers.values():
                each.bad.pop(key, None)

    def _is_older(self, origin: Origin) -> str:
        known = self._instances.get(origin.instance)
        if known is None or origin.sequence is None or known.origin.sequence is None:
            return ""
        is_older = origin.sequence < known.origin.sequence
        if is_older and origin.time is not None and known.origin.time is not None:
            is_older = origin.time < known.origin.time  # else it began to count anew
        if not is_older:
            return ""
        return (
            f"unproven: reading {origin.sequence} of {origin.instance} came after its reading "
            f"{known.origin.sequence}, so an older copy was served"
        )


def _bad(poll: Poll) -> dict[str, Poll]:
    if poll.verdict is Verdict.PASS and all(part.verdict is Verdict.PASS for _, part in poll.components):
        return {}
    parts = {key: part for key, part in poll.components if part.verdict is not Verdict.PASS}
    return parts if poll.verdict is Verdict.PASS else {**parts, WHOLE: replace(poll, components=())}


def _said(bad: Iterable[tuple[str, Poll]]) -> str:
    found = [f"{name}: {poll.reason}" if poll.reason else name for name, poll in bad]
    more = [f"and {len(found) - NAMED} more"] if len(found) > NAMED else []
    return "; ".join([*found[:NAMED], *more])


def _doubted(poll: Poll, doubt: str) -> Poll:
    reason = f"{poll.reason}; {doubt}" if poll.reason else doubt
    if poll.verdict is not Verdict.PASS:
        return replace(poll, reason=reason, components=())
    return replace(poll, verdict=Verdict.WARN, cause=Cause.DOCUMENT, reason=reason, components=())
