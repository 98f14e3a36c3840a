"""What one look cannot tell: which instance said it, and what its document had before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from checker.crowd import Crowd
from checker.model import Cause, MonitorSpec, Origin, Poll, Verdict

VANISHED = "gone: the document has it no longer"
VARYING = "partsVary"  # a component's word that its parts come and go: hosts that an app calls
HIDDEN = "gone: the document names no component any more; are its details hidden now?"


class Memory:
    """What earlier looks told. `known` gives an endpoint's components: name -> id."""

    def __init__(self, known: Callable[[int], Mapping[str, int]]) -> None:
        self._known = known
        self._crowds: dict[int, Crowd] = {}

    def recall(self, endpoint_id: int, spec: MonitorSpec, poll: Poll) -> Poll:
        """Return a look with what is known besides: other instances, and components that are gone.

        An answer without a document tells nothing of either.
        """
        origin = poll.origin
        if origin is None:
            return poll
        crowd = None
        if origin.instance:
            crowd = self._crowds.get(endpoint_id)
            if crowd is None:
                crowd = self._crowds[endpoint_id] = Crowd()
            seen, poll = poll, crowd.judge(poll, origin)
            if seen.components and not poll.components:
                return poll  # an older copy
        known = self._known(endpoint_id)
        if len(known) <= len(poll.components) and all(key in known for key, _ in poll.components):
            return poll
        gone = _gone(known, spec, poll, origin, crowd)
        if not gone:
            return poll
        look = Poll(Verdict.WARN, poll.at, Cause.GONE, VANISHED if poll.components else HIDDEN)
        varying = {key for key, seen in poll.components if seen.details.get(VARYING)}
        looks = ((key, Poll(Verdict.PASS, poll.at) if _whole(key) in varying else look) for key in gone)
        return replace(poll, components=(*poll.components, *looks))

    def forget(self, endpoint_id: int) -> None:
        """Let go of an endpoint that is not looked at any more."""
        self._crowds.pop(endpoint_id, None)


def _whole(key: str) -> str:
    """Return the key of what a part belongs to."""
    return key.partition("#")[0]


def _gone(
    known: Mapping[str, int], spec: MonitorSpec, poll: Poll, origin: Origin, crowd: Crowd | None
) -> list[str]:
    """Return the components that no instance has any more, sorted."""
    if not origin.is_whole or (not poll.components and poll.verdict is Verdict.FAIL):
        return []  # it may be there, and was not understood; or something else answered for the app
    present = {key for key, _ in poll.components} | set(origin.unsaid)
    if crowd is not None:
        present |= crowd.names()
    return sorted(key for key in known if key not in present and not spec.probe.ignored(key))
