"""`dataclasses.replace` for states, several times faster: a ping makes four of them, and pings are many."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from checker.model import MonitorState

# The slots themselves: they copy without a call of Python's, and without the check for frozen ones.
_SLOTS = {each.name: MonitorState.__dict__[each.name] for each in fields(MonitorState)}
_COPIES = [(slot.__get__, slot.__set__) for slot in _SLOTS.values()]
_SETTERS = {name: slot.__set__ for name, slot in _SLOTS.items()}


def replace(state: MonitorState, /, **changes: Any) -> MonitorState:
    """Return the state with these fields changed; raises `KeyError` for a field that there is not."""
    new = object.__new__(MonitorState)
    for get, put in _COPIES:
        put(new, get(state))
    for name, value in changes.items():
        _SETTERS[name](new, value)
    return new
