"""`dataclasses.replace` for states, many times faster: a ping makes four of them, and pings are many."""

from __future__ import annotations

from typing import Any

from checker.model import MonitorState

_COUNT = len(MonitorState.__dataclass_fields__)


def replace(state: MonitorState, /, **changes: Any) -> MonitorState:
    """Return the state with these fields changed; raises `KeyError` for a field that there is not."""
    fields = state.__dict__ | changes
    if len(fields) != _COUNT:
        raise KeyError(*(changes.keys() - state.__dict__.keys()))
    new = object.__new__(MonitorState)
    object.__setattr__(
        new, "__dict__", fields
    )  # past the check for frozen ones, which is asked field by field
    return new
