"""`Catalogue`: what is registered in one `Health`, and how it is found again."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from healthkit.bounds import MAX_TEXT, clean
from healthkit.durations import Duration, seconds
from healthkit.errors import ConfigurationError, DuplicateCheckError, UnknownCheckError
from healthkit.model import Check
from healthkit.registration import build, place
from healthkit.runner import Runner, Surroundings
from healthkit.selection import GROUPS, Filters, Selection, group, named, narrow

if TYPE_CHECKING:
    from typing import Unpack

    from healthkit.registration import Options

F = TypeVar("F", bound=Callable[..., Any])


class Catalogue(ABC):
    """The registered checks, by key, and the groups that were asked for."""

    def __init__(self) -> None:
        self._runners: dict[str, Runner] = {}
        self._places: dict[str, str] = {}
        self._selections: dict[str, Selection] = {}
        self._surroundings: Surroundings | None = None

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every registered check, in the order of registration."""
        return tuple(runner.check for runner in self._runners.values())

    def add(self, probe: Any, *, name: str | None = None, **options: Unpack[Options]) -> Check:
        """Register a ready-made check or any callable, sync or async, and return the frozen `Check`.

        `timeout` (default 5 s) bounds the answer, `fresh_for` (default 1 s) is how long a reading is served
        again; `every` runs it in the background instead, so that no caller waits; `initial_delay` leaves it
        alone after the start. All take seconds or text such as "90s". With `fail_after=3` it keeps its last
        good status until the third failure in a row. A check that is not `critical` makes the whole `warn`
        when it fails. `on_app_loop=True` runs an async check on the app's own loop, for a client that belongs
        to it; a check that blocks there blocks the app. Further: `measurement`, `tags`, `component_type`,
        `identity`, `depends_on`, `description`.
        Raises `ConfigurationError`, `DuplicateCheckError` naming both places, and `TypeError` for an option
        that there is not.
        """
        check = build(probe, name=name, **options)
        here = place()
        first = self._places.setdefault(check.key, here)
        if check.key in self._runners:
            raise DuplicateCheckError(
                f"{here}: check {check.key!r} is registered already, at {first}; "
                "give one of them another name= or measurement="
            )
        self._enter(self._runner(check, self._surroundings or nullcontext))
        return check

    def check(self, name: str, **options: Unpack[Options]) -> Callable[[F], F]:
        """Register the decorated function as a check; it stays what it was. Options as in `add`."""
        if not isinstance(name, str):
            raise ConfigurationError('name the check: write @health.check("disk") above the function')

        def register(function: F) -> F:
            self.add(function, name=name, **options)
            return function

        return register

    def discover(
        self, *, only: Iterable[str] | None = None, without: Iterable[str] = ()
    ) -> tuple[Check, ...]:
        """Register what installed distributions offer under the entry-point group `healthkit.checks`.

        An entry point is a probe, a class of one, a check function (named by the entry point), or a function
        of one argument that is given this `Health`. Returns what is new; what is registered already stays.
        One that cannot be loaded becomes a check that fails and says so.
        """
        from healthkit.discovery import offered, takes_health

        before = set(self._runners)
        for name, found in offered(only=only, without=without):
            if takes_health(found):
                found(self)
                continue
            own = getattr(found, "name", None) or name
            if not any(check.name == own for check in self.checks):
                self.add(found, name=own)
        return tuple(check for check in self.checks if check.key not in before)

    def run_inside(self, surroundings: Surroundings) -> None:
        """Enter this context (such as Flask's `app.app_context`) around every run; the first given stays."""
        if self._surroundings is None:
            self._surroundings = surroundings
            for runner in self._runners.values():
                runner.surroundings = surroundings

    def disable(self, name: str, reason: str = "", for_: Duration | None = None) -> None:
        """Run a check no more, in this process, until `enable` or for so long; it weighs nothing meanwhile.

        `name` is a check's name or key. Raises `UnknownCheckError`.
        """
        duration = math.inf if for_ is None else seconds(for_, what="for_")
        for runner in self.named(name).runners:
            runner.disable(clean(str(reason), MAX_TEXT), duration)

    def enable(self, name: str) -> None:
        """Run a disabled check again. Raises `UnknownCheckError`."""
        for runner in self.named(name).runners:
            runner.enable()

    def select(self, select: str) -> Selection:
        """Return a group, else a check by name or key, else what has this tag. Raises `UnknownCheckError`."""
        if select in GROUPS or not any(select in (check.name, check.key) for check in self.checks):
            try:
                return self.group(select)
            except UnknownCheckError:
                return self.named(select)
        return self.named(select)

    def group(self, name: str) -> Selection:
        """Return one of the four groups, or what has this tag. Raises `UnknownCheckError`."""
        found = self._selections.get(name)
        if found is None:
            found = self._selections[name] = group(name, self._all)
        return found

    def named(self, name: str) -> Selection:
        """Return the checks with this name (`disk`) or key (`disk:status`). Raises `UnknownCheckError`."""
        return named(name, self._all)

    def narrow(self, selection: Selection, filters: Filters) -> Selection:
        """Return what filters leave of a selection. Raises `UnknownCheckError`."""
        return narrow(selection, filters, self._all)

    @property
    def _all(self) -> tuple[Runner, ...]:
        return tuple(self._runners.values())

    def _enter(self, runner: Runner) -> None:
        self._runners = {**self._runners, runner.check.key: runner}
        self._selections = {}

    @abstractmethod
    def _runner(self, check: Check, surroundings: Surroundings) -> Runner:
        """Return what runs a check."""
