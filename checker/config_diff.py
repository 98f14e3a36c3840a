"""What changed between two configurations, a line each, for a person to read. Pure; it shows no value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from checker.config import Config

FIXED = ("listen", "database")  # of [server]: they hold until a restart
# Fields that the configuration calls otherwise, or that follow from others.
_KEYS = {"host": "listen", "port": "listen", "learn_runtime": "max_runtime", "push_token": "token"}
_DERIVED = ("slug", "kind", "name")


def differences(old: Config, new: Config) -> list[str]:
    """Return what changed: `+` for what came, `-` for what went, `~` with its keys for what is another."""
    lines = []
    for key in _changed(old.server, new.server):
        later = " (after a restart)" if key in FIXED else ""
        lines.append(f"~ server.{key}{later}")
    lines += _compared(*({f"{one.name} ({one.kind})": one for one in each.monitors} for each in (old, new)))
    lines += _compared(*(_named("channel", each.channels) for each in (old, new)))
    lines += _compared(*(_named("maintenance", each.maintenance) for each in (old, new)))
    lines += _counted("route", old.routes, new.routes)
    lines += _counted("escalation", old.escalations, new.escalations)
    return lines


def _named(what: str, found: Iterable[Any]) -> dict[str, Any]:
    return {f"{what} {each.name}": each for each in found}


def _compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"+ {name}" for name in after if name not in before)
    yield from (f"- {name}" for name in before if name not in after)
    for name in after:
        keys = _changed(before[name], after[name]) if name in before else []
        if keys:
            yield f"~ {name}: {', '.join(keys)}"


def _changed(old: Any, new: Any) -> list[str]:
    """Return the keys in which two of a kind differ; a channel's own settings by their names."""
    found: dict[str, None] = {}
    for field in fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before == after or field.name in _DERIVED:
            continue
        if field.name == "settings":
            names = sorted({*before, *after})
            found.update(dict.fromkeys(each for each in names if before.get(each) != after.get(each)))
        else:
            found[_KEYS.get(field.name, field.name)] = None
    return list(found)


def _counted(what: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[str]:
    """Routes have no names: say how many came and went."""
    came = sum(1 for each in new if each not in old)
    gone = sum(1 for each in old if each not in new)
    if came:
        yield f"+ {came} {what}{'' if came == 1 else 's'}"
    if gone:
        yield f"- {gone} {what}{'' if gone == 1 else 's'}"
    if not came and not gone and old != new:
        yield f"~ {what}s: their order"
