"""`dataclasses.replace` for states, many times faster: a ping makes four of them, and pings are many."""

from __future__ import annotations

from typing import Any

from checker.model import MonitorState

_FIELDS = frozenset(MonitorState.__dataclass_fields__)


def replace(state: MonitorState, /, **changes: Any) -> MonitorState:
    """Return the state with these fields changed; raises `KeyError` for a field that there is not."""
    if not changes.keys() <= _FIELDS:
        raise KeyError(*(changes.keys() - _FIELDS))
    new = object.__new__(MonitorState)
    new.__dict__.update(state.__dict__)  # past the check for frozen ones, which would be asked field by field
    new.__dict__.update(changes)
    return new
