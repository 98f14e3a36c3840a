"""Checks that other distributions offer: the entry points of the group `healthkit.checks`."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from healthkit.errors import Fail
from healthkit.outcomes import describe, where

GROUP = "healthkit.checks"

log = logging.getLogger(__name__)


def offered(*, only: Iterable[str] | None = None, without: Iterable[str] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the name and the object of each entry point, by name.

    One that cannot be loaded gives a check that fails and says so: what was asked for must not be missing
    unseen.
    """
    wanted = None if only is None else set(only)
    left_out = set(without)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name not in left_out and (wanted is None or point.name in wanted):
            yield point.name, _load(point)


def takes_health(found: Any) -> bool:
    """Whether an entry point is a function that registers checks itself: it wants the `Health`."""
    if not inspect.isfunction(found):
        return False
    try:
        inspect.signature(found).bind()
    except TypeError:
        return True
    return False


def _load(point: EntryPoint) -> Any:
    try:
        found = point.load()
        return found() if isinstance(found, type) else found
    except Exception as error:  # noqa: BLE001 - another distribution's code must not end the app
        log.error("the entry point %r of %s cannot be loaded: %s", point.name, GROUP, where(error))
        return _missing(f"the entry point {point.value} cannot be loaded: {describe(error)}")


def _missing(reason: str) -> Callable[[], None]:
    def missing() -> None:
        raise Fail(reason)

    return missing
