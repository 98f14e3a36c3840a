"""For an app's own tests: let a check have the outcome that the test needs, without breaking anything real.

    with fail(health, "database", "read-only"):
        assert client.get("/health").status_code == 503

With pytest, the fixture `fake_health` does the same until the end of the test:

    fake_health.fail(health, "database", "read-only")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from healthkit.errors import Fail, Warn
from healthkit.health import Health
from healthkit.model import Check

_SHARED = ("_number", "_surroundings")  # a stand-in counts on in the same sequence, in the same context
FOREVER = 3600.0  # seconds after which even a forgotten hung check ends


def fail(health: Health, check: str, reason: str = "", **details: Any) -> AbstractContextManager[None]:
    """Let a check (by name or key) fail with this reason, for as long as the `with` block lasts."""
    return faked(health, check, _raising(Fail(reason, **details)))


def warn(health: Health, check: str, reason: str = "", **details: Any) -> AbstractContextManager[None]:
    """Let a check warn with this reason."""
    return faked(health, check, _raising(Warn(reason, **details)))


def succeed(health: Health, check: str, value: Any = None) -> AbstractContextManager[None]:
    """Let a check pass, with this value, whatever its real state."""
    return faked(health, check, lambda: value)


def crash(health: Health, check: str, error: BaseException) -> AbstractContextManager[None]:
    """Let a check raise an exception that nobody expects."""
    return faked(health, check, _raising(error))


@contextmanager
def hang(health: Health, check: str) -> Iterator[None]:
    """Let a check hang, so that it is over its timeout; the hung run ends with the `with` block."""
    released = threading.Event()
    try:
        with faked(health, check, lambda: released.wait(FOREVER)):
            yield
    finally:
        released.set()


@contextmanager
def faked(health: Health, check: str, run: Callable[[], Any]) -> Iterator[None]:
    """Let `run` stand in for a check while the `with` block lasts; the real one never notices.

    A name that several checks have stands for all of them. Blocks may be nested. Raises `UnknownCheckError`.
    """
    real = _runners_named(health, check)
    _put(health, {key: _stand_in(health, runner.check, run) for key, runner in real.items()})
    try:
        yield
    finally:
        _put(health, real)


class Fakes:
    """What the fixture `fake_health` gives: fakes that last until the test ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def fail(self, health: Health, check: str, reason: str = "", **details: Any) -> None:
        """Let a check fail from now on."""
        self._stack.enter_context(fail(health, check, reason, **details))

    def warn(self, health: Health, check: str, reason: str = "", **details: Any) -> None:
        """Let a check warn from now on."""
        self._stack.enter_context(warn(health, check, reason, **details))

    def succeed(self, health: Health, check: str, value: Any = None) -> None:
        """Let a check pass from now on."""
        self._stack.enter_context(succeed(health, check, value))

    def crash(self, health: Health, check: str, error: BaseException) -> None:
        """Let a check raise from now on."""
        self._stack.enter_context(crash(health, check, error))

    def hang(self, health: Health, check: str) -> None:
        """Let a check hang from now on."""
        self._stack.enter_context(hang(health, check))


def _runners_named(health: Health, check: str) -> dict[str, Any]:
    health.named(check)  # raises for a name that is not registered
    runners = health._runners
    return {key: one for key, one in runners.items() if check in (key, one.check.name)}


def _stand_in(health: Health, check: Check, run: Callable[[], Any]) -> Any:
    """Return a runner under the same name that has read nothing yet, and tells what `run` says at once."""
    aside = Health(health.service, clock=health.clock)
    vars(aside).update((name, value) for name, value in vars(health).items() if name in _SHARED)
    aside.add(
        run,
        name=check.name,
        measurement=check.measurement,
        tags=check.tags,
        timeout=check.timeout,
        fresh_for=check.fresh_for,
        critical=check.critical,
        component_type=check.component_type,
        identity=check.identity,
        depends_on=check.depends_on,
        description=check.description,
    )
    return aside._runners[check.key]


def _put(health: Health, runners: Mapping[str, Any]) -> None:
    health._runners = {key: runners.get(key, runner) for key, runner in health._runners.items()}
    health._selections = {}


def _raising(error: BaseException) -> Callable[[], Any]:
    def run() -> Any:
        raise error

    return run
