"""A third party asked by a call of the app's own: its client library, in place of a URL."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from healthkit.bounds import clean
from healthkit.checks.http_exchange import Answer
from healthkit.checks.unobserved import unobserved
from healthkit.errors import ConfigurationError, Fail

Call = Callable[[], Any]

_STATUSES = ("status_code", "http_status", "status", "code")  # where clients keep it: of answers and errors


@dataclass(frozen=True, slots=True)
class Said:
    """What a call returned, and after how many seconds. `status` is None where it does not tell one."""

    value: Any
    status: int | None
    took: float

    @property
    def answer(self) -> Answer:
        """The same as an answer over HTTP, which is 200 where no status is told."""
        text = getattr(self.value, "text", None)
        shown = text if isinstance(text, str) else self.value if isinstance(self.value, str) else ""
        return Answer(200 if self.status is None else self.status, shown, self.took)


def checked_call(ask: Any, name: str) -> Call:
    """Return what is to be called. Raises `ConfigurationError` for what has to be awaited."""
    bare = ask
    while isinstance(bare, partial):
        bare = bare.func
    call = bare if inspect.isroutine(bare) else type(bare).__call__
    if inspect.iscoroutinefunction(call):
        raise ConfigurationError(
            f"ThirdPartyAPI {name!r}: the call is async; register it by itself: health.add(it, name={name!r})"
        )
    return ask  # type: ignore[no-any-return]


def asked(ask: Call) -> Said:
    """Call, and return what was said. Raises what the call does, `Fail` where its error tells a status."""
    started = time.monotonic()
    try:
        with unobserved():
            value = ask()
    except Exception as error:
        status = _status_of(error) or _status_of(getattr(error, "response", None))
        if status is None:
            raise
        kind = clean(type(error).__name__, 100)
    else:
        return Said(value, _status_of(value, "status_code"), time.monotonic() - started)
    raise Fail(f"status {status}: the call raised {kind}", value=None, status_code=status)


def _status_of(found: Any, *names: str) -> int | None:
    for name in names or _STATUSES:
        status = getattr(found, name, None)
        if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 999:
            return int(status)
    return None
