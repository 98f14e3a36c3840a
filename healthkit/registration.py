"""From what a user hands to `Health.add` to a frozen `Check`; every mistake is told here, at start-up."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from healthkit.bounds import MAX_KEY
from healthkit.durations import Duration, seconds
from healthkit.errors import ConfigurationError
from healthkit.model import Check

if TYPE_CHECKING:
    from typing import Unpack

DEFAULT_TIMEOUT = 5.0
DEFAULT_FRESH_FOR = 1.0
DEFAULT_MEASUREMENT = "status"

_WORD = re.compile(r"\w(?:[\w.@+~ -]*[\w.@+~-])?")
_RULE = (
    f"a name starts with a letter or digit and has at most {MAX_KEY} characters: letters, digits, "
    "'.', '_', '-', '@', '+', '~' and inner spaces (no ':', which parts name and measurement)"
)


class Options(TypedDict, total=False):
    """What `Health.add` and `Health.check` take besides the check and its name. See docs/app/health.md."""

    measurement: str | None
    tags: Iterable[str]
    timeout: Duration | None
    fresh_for: Duration | None
    every: Duration | None
    initial_delay: Duration | None
    fail_after: int | None
    critical: bool | None
    on_app_loop: bool | None
    component_type: str | None
    identity: str | None
    depends_on: Iterable[str]
    description: str | None


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


def build(probe: Any, *, name: str | None = None, **options: Unpack[Options]) -> Check:
    """Return the frozen check for a probe or callable; its attributes are read here, once.

    What is given wins over the probe's own attributes, which win over the defaults.
    Raises `ConfigurationError`.
    """
    _known(options)
    found = partial(_found, probe, options)
    title = _first(name, getattr(probe, "name", None))
    title = name_of(_own_name(probe) if title is None else title, "check")
    what = f"check {title!r}"
    is_async = _shape(probe, what)
    on_app_loop = _on_app_loop(found("on_app_loop", False), is_async, what)
    check = Check(
        name=title,
        measurement=name_of(found("measurement", DEFAULT_MEASUREMENT), f"{what}: measurement"),
        run=probe,
        is_async=is_async,
        on_app_loop=on_app_loop,
        timeout=_positive(found("timeout", DEFAULT_TIMEOUT), f"{what}: timeout"),
        fresh_for=seconds(found("fresh_for", DEFAULT_FRESH_FOR), what=f"{what}: fresh_for"),
        critical=_flag(found("critical", True), f"{what}: critical"),
        tags=tags_of(options.get("tags") or (), what) | tags_of(getattr(probe, "tags", None) or (), what),
        component_type=_text(found("component_type"), what),
        identity=_text(found("identity"), what),
        depends_on=_names(options.get("depends_on") or getattr(probe, "depends_on", None) or (), what),
        description=_text(found("description"), what) or "",
        abort=_abort(probe, what),
        every=_every(found("every"), on_app_loop, what),
        initial_delay=seconds(found("initial_delay", 0.0), what=f"{what}: initial_delay"),
        fail_after=_count(found("fail_after", 1), f"{what}: fail_after"),
    )
    if options.get("timeout") is not None and callable(within := getattr(probe, "within", None)):
        within(check.timeout)
    return check


def place() -> str:
    """Return `file:line` of the user's code that is registering a check."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "healthkit":
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _known(options: Options) -> None:
    """Refuse an option that there is not, naming the nearest. Raises `TypeError`, as any call does."""
    unknown = next((key for key in options if key not in Options.__annotations__), None)
    if unknown is not None:
        import difflib

        near = difflib.get_close_matches(unknown, Options.__annotations__, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(Options.__annotations__)}"
        raise TypeError(f"a check has no option {unknown!r}; {hint}")


def _found(probe: Any, options: Options, key: str, default: Any = None) -> Any:
    return _first(options.get(key), getattr(probe, key, None), default)


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


def _positive(value: Any, what: str) -> float:
    found = seconds(value, what=what)
    if found == 0:
        raise ConfigurationError(f"{what}: 0 leaves no time to run; give seconds, or text as '2s'")
    return found


def _every(value: Any, on_app_loop: bool, what: str) -> float | None:
    if value is None:
        return None
    if on_app_loop:
        raise ConfigurationError(
            f"{what}: every= runs it in the background, without the app's loop; leave out on_app_loop=True"
        )
    return _positive(value, f"{what}: every")


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{what}: {value!r:.200} must be a whole number from 1 on")
    return value


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
