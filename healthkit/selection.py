"""Which checks a question is about: a group, a tag, a name; and what is filtered in and out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from healthkit.bounds import clean
from healthkit.errors import UnknownCheckError
from healthkit.model import Check, Reading
from healthkit.runner import Runner
from healthkit.status import Status

ALL, LIVE, READY, STARTUP = "all", "live", "ready", "startup"
GROUPS = (ALL, LIVE, READY, STARTUP)


@dataclass(frozen=True, slots=True)
class Selection:
    """The checks that a question is about. `unproven` is what one that never ran counts as."""

    name: str
    runners: tuple[Runner, ...]
    unproven: Status = Status.WARN
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Runner]:
        return iter(self.runners)


@dataclass(frozen=True, slots=True)
class Filters:
    """What to keep of a selection (any of these tags or names), and what to leave out of it."""

    tags: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    without_checks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tags or self.checks or self.without_tags or self.without_checks)


def group(name: str, runners: Sequence[Runner]) -> Selection:
    """Return one of the four groups, or what carries a tag. Raises `UnknownCheckError` for an unused tag."""
    chosen = tuple(_in_group(name, runners))
    if name not in GROUPS and not chosen:
        raise UnknownCheckError(f"no check is tagged {clean(name, 100)!r}")
    return Selection(name, chosen, Status.FAIL if name in (READY, STARTUP) else Status.WARN)


def named(name: str, runners: Sequence[Runner]) -> Selection:
    """Return the checks of this name (`disk`) or key (`disk:status`). Raises `UnknownCheckError`."""
    found = tuple(runner for runner in runners if name in _names(runner.check))
    if not found:
        known = ", ".join(runner.check.key for runner in runners) or "none"
        raise UnknownCheckError(f"no check is named {clean(name, 100)!r}; registered: {known}")
    return Selection(f"checks/{name}", found)


def narrow(selection: Selection, filters: Filters, runners: Sequence[Runner]) -> Selection:
    """Return what the filters leave of a selection.

    Raises `UnknownCheckError` for a tag or name that no check has, and when nothing is left: an empty answer
    would pass without having asked anything.
    """
    for tag in (*filters.tags, *filters.without_tags):
        group(tag, runners)
    for name in (*filters.checks, *filters.without_checks):
        named(name, runners)
    left = tuple(runner for runner in selection.runners if _is_kept(runner.check, filters))
    if not left:
        raise UnknownCheckError("no check is left by these filters")
    return Selection(f"{selection.name} {filters}", left, selection.unproven)


def overall(readings: Iterable[Reading], unproven: Status = Status.WARN) -> Status:
    """Return the status of the whole: a failing check that is not critical makes it `WARN`."""
    status = Status.PASS
    for reading in readings:
        weight = reading.status or unproven
        if weight is Status.FAIL and not reading.check.critical:
            weight = Status.WARN
        if weight > status:
            status = weight
    return status


def _names(check: Check) -> tuple[str, str]:
    return check.name, check.key


def _is_kept(check: Check, filters: Filters) -> bool:
    wanted = not (filters.tags or filters.checks) or (
        not check.tags.isdisjoint(filters.tags) or any(name in filters.checks for name in _names(check))
    )
    return wanted and not (
        not check.tags.isdisjoint(filters.without_tags)
        or any(name in filters.without_checks for name in _names(check))
    )


def _in_group(name: str, runners: Sequence[Runner]) -> Sequence[Runner]:
    """Return what is tagged so; where nothing is, `ready` means the critical ones and `startup` means ready.

    `live` never falls back: by default it touches no dependency.
    """
    if name == ALL:
        return runners
    tagged = [runner for runner in runners if name in runner.check.tags]
    if tagged or name not in (READY, STARTUP):
        return tagged
    if name == STARTUP:
        return _in_group(READY, runners)
    return [runner for runner in runners if runner.check.critical]
