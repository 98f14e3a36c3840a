"""From what a user hands to `Health.add` to a frozen `Check`; every mistake is told here, at start-up."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from healthkit.bounds import MAX_KEY
from healthkit.durations import Duration, seconds
from healthkit.errors import ConfigurationError
from healthkit.model import Check

DEFAULT_TIMEOUT = 5.0
DEFAULT_FRESH_FOR = 1.0
DEFAULT_MEASUREMENT = "status"

_WORD = re.compile(r"\w(?:[\w.@+~ -]*[\w.@+~-])?")
_RULE = (
    f"a name starts with a letter or digit and has at most {MAX_KEY} characters: letters, digits, "
    "'.', '_', '-', '@', '+', '~' and inner spaces (no ':', which parts name and measurement)"
)


def name_of(value: Any, what: str) -> str:
    """Return the name of a check, measurement or tag. Raises `ConfigurationError` for what cannot be one."""
    if not isinstance(value, str) or len(value) > MAX_KEY or not _WORD.fullmatch(value):
        raise ConfigurationError(f"{what} {value!r:.200}: {_RULE}")
    return value


def tags_of(value: Any, what: str) -> frozenset[str]:
    """Return tags as a set. Raises `ConfigurationError` for a bare string and for what is no set of names."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigurationError(f'{what}: tags {value!r:.200} must be a set of names, such as {{"ready"}}')
    return frozenset(name_of(tag, f"{what}: tag") for tag in value)


def build(
    probe: Any,
    *,
    name: str | None = None,
    measurement: str | None = None,
    tags: Iterable[str] = (),
    timeout: Duration | None = None,
    fresh_for: Duration | None = None,
    critical: bool | None = None,
    on_app_loop: bool | None = None,
    component_type: str | None = None,
    identity: str | None = None,
    depends_on: Iterable[str] = (),
    description: str | None = None,
) -> Check:
    """Return the frozen check for a probe or callable; its attributes are read here, once.

    What is given wins over the probe's own attributes, which win over the defaults.
    Raises `ConfigurationError`.
    """
    own = partial(getattr, probe)
    title = _first(name, own("name", None))
    title = name_of(_own_name(probe) if title is None else title, "check")
    what = f"check {title!r}"
    is_async = _shape(probe, what)
    part = _first(measurement, own("measurement", None), DEFAULT_MEASUREMENT)
    fresh = _first(fresh_for, own("fresh_for", None), DEFAULT_FRESH_FOR)
    app_loop = _first(on_app_loop, own("on_app_loop", None), False)
    return Check(
        name=title,
        measurement=name_of(part, f"{what}: measurement"),
        run=probe,
        is_async=is_async,
        on_app_loop=_on_app_loop(app_loop, is_async, what),
        timeout=_limit(_first(timeout, own("timeout", None), DEFAULT_TIMEOUT), what),
        fresh_for=seconds(fresh, what=f"{what}: fresh_for"),
        critical=_flag(_first(critical, own("critical", None), True), f"{what}: critical"),
        tags=tags_of(tags, what) | tags_of(own("tags", None) or (), what),
        component_type=_text(_first(component_type, own("component_type", None)), what),
        identity=_text(_first(identity, own("identity", None)), what),
        depends_on=_names(depends_on, what) or _names(own("depends_on", None) or (), what),
        description=_text(_first(description, own("description", None)), what) or "",
        abort=_abort(probe, what),
    )


def place() -> str:
    """Return `file:line` of the user's code that is registering a check."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "healthkit":
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _unwrap(probe: Any) -> Any:
    while isinstance(probe, partial):
        probe = probe.func
    return probe


def _own_name(probe: Any) -> str | None:
    """Return a function's own name; a lambda and a bare object have none worth showing."""
    own = getattr(_unwrap(probe), "__name__", None)
    if own is None or own == "<lambda>":
        kind = "lambda" if own else type(_unwrap(probe)).__name__
        raise ConfigurationError(
            f'this {kind} has no name to show; give it one: health.add(..., name="disk")'
        )
    return str(own)


def _shape(probe: Any, what: str) -> bool:
    """Return whether a probe is async, asked once. Raises `ConfigurationError` for what is no check."""
    target = _unwrap(probe)
    if not callable(target):
        raise ConfigurationError(
            f"{what}: a {type(target).__name__} cannot be called; give a function or a probe"
        )
    if isinstance(target, type):
        raise ConfigurationError(f"{what}: {target.__name__} is a class; give an object of it")
    call = target if inspect.isroutine(target) else type(target).__call__
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise ConfigurationError(f"{what}: it yields; a check returns its outcome once")
    _takes_nothing(probe, what)
    return inspect.iscoroutinefunction(call)


def _takes_nothing(probe: Callable[..., Any], what: str) -> None:
    try:
        signature = inspect.signature(probe)
    except (ValueError, TypeError):  # some built-ins tell nothing
        return
    try:
        signature.bind()
    except TypeError:
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        needs = [p for p in signature.parameters.values() if p.default is p.empty and p.kind not in variadic]
        wanted = ", ".join(p.name for p in needs)
        raise ConfigurationError(
            f"{what}: a check is called with no arguments, and this one wants {wanted}; "
            "bind them with functools.partial"
        ) from None


def _limit(value: Any, what: str) -> float:
    limit = seconds(value, what=f"{what}: timeout")
    if limit == 0:
        raise ConfigurationError(f"{what}: timeout 0 leaves no time to run; give seconds, or text as '2s'")
    return limit


def _on_app_loop(value: Any, is_async: bool, what: str) -> bool:
    if _flag(value, f"{what}: on_app_loop") and not is_async:
        raise ConfigurationError(
            f"{what}: on_app_loop=True is for async checks; this one is a plain function"
        )
    return bool(value)


def _flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{what}: {value!r:.200} must be True or False")
    return value


def _text(value: Any, what: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{what}: {value!r:.200} must be text")
    return value


def _names(value: Any, what: str) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(part, str) for part in value):
        raise ConfigurationError(
            f'{what}: depends_on {value!r:.200} must be a list of names, such as ["database"]'
        )
    return tuple(value)


def _abort(probe: Any, what: str) -> Callable[[], None] | None:
    abort = getattr(probe, "abort", None)
    if abort is not None and not callable(abort):
        raise ConfigurationError(f"{what}: its attribute abort is a {type(abort).__name__}, not a method")
    return abort
