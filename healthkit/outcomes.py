"""From what a check returned or raised to a `Reading`: bounded, serialisable, and without a secret."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from healthkit.bounds import MAX_KEY, UnfitError, bounded, clean
from healthkit.errors import Fail, Outcome
from healthkit.model import NO_DETAILS, Check, Reading, Result
from healthkit.status import Status, worst

MAX_RESULTS = 100
_MAX_FRAMES = 12
_MAX_CAUSES = 3
_STATUS_BY_NAME = {"pass": Status.PASS, "warn": Status.WARN, "fail": Status.FAIL}

NEVER_AWAITED = (
    "returned something to await, and awaits nothing; register an `async def` function, "
    "or let the check wait for its own result"
)
VERDICT_AND_TEXT = (
    "returned a tuple that begins with True or False, as other libraries want it; return the value alone, "
    'or raise Warn("why") or Fail("why")'
)
_WRONG_LOOP_WORDS = (
    "attached to a different loop",
    "bound to a different event loop",
    "Event loop is closed",
)
WRONG_LOOP = "uses a client that belongs to another event loop; register the check with on_app_loop=True"


def from_return(check: Check, returned: Any, *, time: float, duration: float) -> Reading:
    """Return the reading for what a check returned. What cannot be understood is a fail that says why."""
    try:
        results = _results(returned)
    except UnfitError as unfit:
        return failed(check, f"the check {unfit}", time=time, duration=duration)
    return _reading(check, results, time=time, duration=duration)


def from_error(check: Check, error: BaseException, *, time: float, duration: float) -> Reading:
    """Return the reading for what a check raised: `Warn` and `Fail` show their text, all else its class."""
    if isinstance(error, Outcome):
        status = Status.FAIL if isinstance(error, Fail) else Status.WARN
        result = Result(error.value, error.unit, status, _text(error.reason), None, error.details)
        try:
            result = _bounded(result)
        except UnfitError as unfit:
            result = Result(None, None, status, _text(f"{_text(error.reason)} (the check {unfit})"))
        return _reading(check, (result,), time=time, duration=duration)
    return failed(check, describe(error, check), time=time, duration=duration)


def failed(check: Check, reason: str, *, time: float, duration: float = 0.0) -> Reading:
    """Return a failing reading with a reason."""
    return Reading(check, Status.FAIL, time, duration, output=clean(reason))


def describe(error: BaseException, check: Check | None = None) -> str:
    """Return an exception's class name, never its text: that may hold a DSN."""
    name = clean(type(error).__name__, MAX_KEY)
    if check is not None and check.is_async and not check.on_app_loop and is_wrong_loop(error):
        return f"{name}: the check {WRONG_LOOP}"
    return name


def is_wrong_loop(error: BaseException) -> bool:
    """Whether an exception says that a client was used on a loop it was not made on."""
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return any(words in text for words in _WRONG_LOOP_WORDS)


def where(error: BaseException) -> str:
    """Return an exception's class and the places it went through, for a log: no text, no source line."""
    return "; caused by ".join(_one_place(link) for link in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _one_place(error: BaseException) -> str:
    return f"{describe(error)} at {' > '.join(_frames(error.__traceback__)) or 'no known place'}"


def _frames(trace: TracebackType | None) -> list[str]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith("<frozen importlib"):
            frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[-_MAX_FRAMES:]


def _results(returned: Any) -> tuple[Result, ...]:
    """Return what was returned as bounded results. Raises `UnfitError`."""
    if returned is None or returned is True:
        return (Result(),)
    if returned is False:
        return (Result(status=Status.FAIL, output="the check returned False"),)
    if isinstance(returned, Status):
        return (_bounded(Result(status=returned)),)
    if isinstance(returned, Result):
        return (_bounded(returned),)
    if isinstance(returned, list | tuple) and any(isinstance(part, Result) for part in returned):
        return _parts(returned)
    if isinstance(returned, tuple) and returned and isinstance(returned[0], bool):
        raise UnfitError(VERDICT_AND_TEXT)
    _refuse_awaitable(returned)
    try:
        return (Result(bounded(returned)),)
    except UnfitError as unfit:
        hint = "return None, a number, text, a list or dict of those, or a Result"
        raise UnfitError(f"returned a value that {unfit}; {hint}") from None


def _parts(returned: list[Any] | tuple[Any, ...]) -> tuple[Result, ...]:
    if len(returned) > MAX_RESULTS:
        raise UnfitError(f"returned {len(returned):,} results; {MAX_RESULTS} at most")
    if not all(isinstance(part, Result) for part in returned):
        raise UnfitError("returned a list of results mixed with other things")
    parts = tuple(_bounded(_placed(part, number)) for number, part in enumerate(returned, start=1))
    if len({part.component_id for part in parts}) < len(parts):
        raise UnfitError("returned two results with the same component_id")
    return parts


def _placed(part: Result, number: int) -> Result:
    """Return a part with an id: its number where it has none; "" at the first says that it is the whole."""
    if part.component_id is None:
        return replace(part, component_id=str(number))
    return replace(part, component_id=None) if part.component_id == "" and number == 1 else part


def _refuse_awaitable(returned: Any) -> None:
    if inspect.iscoroutine(returned):
        returned.close()  # or Python warns that it was never awaited
        raise UnfitError(NEVER_AWAITED)
    if inspect.isawaitable(returned):
        raise UnfitError(NEVER_AWAITED)


def _bounded(result: Result) -> Result:
    """Return a result whose every part may enter a document. Raises `UnfitError`."""
    status = _status(result.status)
    if not isinstance(result.details, Mapping):
        raise UnfitError(f"returned details that are a {type(result.details).__name__}, not a mapping")
    try:
        value = bounded(result.value)
        details = bounded(dict(result.details)) if result.details else NO_DETAILS
    except UnfitError as unfit:
        raise UnfitError(f"returned a result whose value {unfit}") from None
    return Result(
        value,
        None if result.unit is None else clean(str(result.unit), MAX_KEY),
        status,
        _text(result.output) if status is not Status.PASS else "",
        None if result.component_id is None else clean(str(result.component_id), MAX_KEY),
        details,
    )


def _status(status: Any) -> Status:
    known = _STATUS_BY_NAME.get(status.lower()) if isinstance(status, str) else status
    if not isinstance(known, Status) or known is Status.UNKNOWN:
        raise UnfitError(f"returned the status {clean(repr(status), MAX_KEY)}; use Status.PASS, WARN or FAIL")
    return known


def _text(reason: Any) -> str:
    """Return a reason as text; an exception given as one is told by its class: its text may hold a secret."""
    if isinstance(reason, BaseException):
        return describe(reason)
    return clean(reason if isinstance(reason, str) else str(reason)) or "no reason was given"


def _reading(check: Check, results: tuple[Result, ...], *, time: float, duration: float) -> Reading:
    """Return the reading of results: as bad as the worst of them, with its reason."""
    status = worst(result.status for result in results)
    lead = next(result for result in results if result.status is status)
    parts = results if len(results) > 1 or lead.component_id is not None else ()
    return Reading(check, status, time, duration, lead.value, lead.unit, lead.output, lead.details, parts)
