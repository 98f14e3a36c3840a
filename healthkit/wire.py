"""`Report` to and from `application/health+json` (draft-inadarei-api-health-check-06): both halves share it.

`parse` is total: whatever the bytes, it returns a bounded `Document` or raises `WireError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from healthkit.bounds import MAX_KEY, UnfitError, bounded, clean
from healthkit.errors import WireError
from healthkit.model import NO_DETAILS, Check, Reading, Report, Result
from healthkit.status import Status

MEDIA_TYPE = "application/health+json"
MAX_BYTES = 2_000_000
MAX_PARTS = 50_000  # values in it, of any kind: it is they that cost time and memory, not the bytes
MAX_COMPONENTS = 1_000
MAX_PROBLEMS = 20
SLOW = 60.0  # seconds

STATUSES = {
    "pass": Status.PASS, "ok": Status.PASS, "up": Status.PASS,
    "warn": Status.WARN,
    "fail": Status.FAIL, "error": Status.FAIL, "down": Status.FAIL,
}  # fmt: skip
_PASSING = frozenset({"time", "durationMs"})
_OF_COMPONENT = frozenset({"componentId", "observedValue", "observedUnit", "status", "time", "output"})


class Component(NamedTuple):  # made for each entry of each look, in a third of a dataclass's time
    """One entry of a document's `checks`; `details` holds the keys without a field. `time`: epoch seconds."""

    key: str
    component_id: str | None
    status: Status
    output: str
    value: Any
    unit: str | None
    time: float | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """A health document as it was understood. `problems` says, in words, what could not be."""

    status: Status
    components: tuple[Component, ...] = ()
    version: str | None = None
    service_id: str | None = None
    output: str = ""
    nonce: str | None = None
    time: float | None = None
    problems: tuple[str, ...] = ()
    instance: str | None = None  # the process that answered
    sequence: int | None = None  # of that process: how many readings it has made
    dialect: str = ""  # whose document it is, where it is not one of this format


def render(report: Report, *, nonce: str | None = None) -> dict[str, Any]:
    """Return a report as the draft's JSON object. `time` is when it was read, not when it was rendered."""
    optional = {"version": report.version, "description": report.description, "nonce": nonce}
    return {
        "status": str(report.status),
        "serviceId": report.service,
        **{key: value for key, value in optional.items() if value is not None},
        **report.attributes,
        "time": timestamp(report.time),
        "checks": {reading.check.key: _entries(reading) for reading in report.readings},
    }


def matter(report: Report) -> bytes:
    """Return the bytes of what matters in a report: all but which process read it, when, and how fast.

    Two reports of the same matter say the same of the service.
    """
    root = [
        str(report.status),
        report.service,
        report.version,
        report.description,
        report.attributes.get("notes"),
    ]
    said = [
        [
            reading.check.key,
            *({key: entry[key] for key in entry.keys() - _PASSING} for entry in _entries(reading)),
        ]
        for reading in report.readings
    ]
    return json.dumps([root, said], sort_keys=True, ensure_ascii=False).encode()


def dumps(report: Report, *, nonce: str | None = None) -> bytes:
    """Return a report as the bytes of its document."""
    return encode(render(report, nonce=nonce))


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a JSON object as compact UTF-8 bytes."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def timestamp(moment: float) -> str:
    """Return epoch seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entries(reading: Reading) -> list[dict[str, Any]]:
    common = _common(reading)
    if reading.results:
        return [_entry(reading, part, common) for part in reading.results]
    whole = Result(reading.value, reading.unit, reading.status, reading.output, None, reading.details)
    return [_entry(reading, whole, common)]


def _entry(reading: Reading, part: Result, common: Mapping[str, Any]) -> dict[str, Any]:
    """Return one entry. A detail never replaces a key that has a meaning here."""
    entry = {
        "componentId": part.component_id,
        "observedValue": part.value,
        "observedUnit": part.unit,
        "output": part.output if part.output and part.status is not Status.PASS else None,
    }
    present = {key: value for key, value in entry.items() if value is not None}
    fixed = {"status": str(part.status or Status.WARN), **present, "time": timestamp(reading.time), **common}
    own = {key: value for key, value in part.details.items() if key not in fixed and key not in _OF_COMPONENT}
    return {**fixed, **own}


def _common(reading: Reading) -> dict[str, Any]:
    """Return the keys that every entry of a check carries."""
    check = reading.check
    optional = {
        "componentType": check.component_type,
        "tags": sorted(check.tags),
        "identity": check.identity,
        "dependsOn": list(check.depends_on),
        "description": check.description,
        "failAfter": check.fail_after if check.fail_after > 1 else None,
        "freshFor": _slowness(check),
    }
    return {
        "critical": check.critical,
        "durationMs": round(reading.duration * 1000, 3),
        **{key: value for key, value in optional.items() if value},
    }


def _slowness(check: Check) -> float | None:
    """Return how long a reading is good for (seconds) where that is long: then an old one is no stale one."""
    longest = max(check.fresh_for, check.every or 0.0)
    return longest if longest > SLOW else None


def parse(body: bytes) -> Document:
    """Return the document in a body. Raises `WireError`, saying why, when there is none to be understood.

    Statuses are read in any case, with the draft's aliases (ok, up, error, down). What is wrong in a part is
    left out and told in `problems`.
    """
    root = load(body)
    if not isinstance(root, dict):
        raise WireError(f"the document is {_kind(root)}, not an object")
    status = _status(root.get("status"))
    if status is None:
        raise WireError(f"the document's status is {_shown(root.get('status'))}, not pass, warn or fail")
    problems = _Problems()
    components = tuple(_components(root.get("checks"), problems))
    return Document(
        status,
        components,
        version=_text(root.get("version"), MAX_KEY),
        service_id=_text(root.get("serviceId"), MAX_KEY),
        output=_text(root.get("output")) or "",
        nonce=_text(root.get("nonce"), 2 * MAX_KEY),
        time=_moment(root.get("time")),
        problems=problems.told(),
        instance=_text(root.get("instance"), MAX_KEY),
        sequence=_count(root.get("sequence")),
    )


def load(body: bytes) -> Any:
    """Return the JSON value in a body; raises `WireError` for what is too much, ambiguous, or no JSON."""
    if len(body) > MAX_BYTES:
        raise WireError(f"the document has {len(body):,} bytes; {MAX_BYTES:,} at most")
    if has_too_many_parts(body):
        raise WireError(f"the document holds more than {MAX_PARTS:,} values")
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError as error:
        raise WireError(f"the document is not {error.encoding} text (byte {error.start})") from None
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise WireError("the document is nested too deep") from None
    except json.JSONDecodeError as error:
        raise WireError(f"the document is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:
        if isinstance(error, WireError):
            raise
        raise WireError("the document holds a number that is too long") from None


def has_too_many_parts(body: bytes) -> bool:
    """Tell whether JSON may hold more values than are read, by the marks that stand before each of them."""
    return len(body) > MAX_PARTS and sum(body.count(mark) for mark in b"{[,") > MAX_PARTS


def _refuse_constant(word: str) -> NoReturn:
    raise WireError(f"the document holds {word}, which is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise WireError(f"the document has the key {_shown(twice)} twice in one object")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)


class _Problems:
    """What could not be understood, in words: the first twenty, then a count."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._more = 0

    def add(self, words: str) -> None:
        if len(self._words) < MAX_PROBLEMS:
            self._words.append(words)
        else:
            self._more += 1

    def told(self) -> tuple[str, ...]:
        return (*self._words, *([f"and {self._more:,} more"] if self._more else []))


def _components(checks: Any, problems: _Problems) -> Iterator[Component]:
    if checks is None:
        return
    if not isinstance(checks, dict):
        problems.add(f'"checks" is {_kind(checks)}, not an object')
        return
    entries = [(key, entry) for key, value in checks.items() for entry in _listed(value)]
    if len(entries) > MAX_COMPONENTS:
        problems.add(f"{len(entries):,} components; only the first {MAX_COMPONENTS:,} are read")
    for key, entry in entries[:MAX_COMPONENTS]:
        if isinstance(entry, dict):
            yield _component(clean(key, 2 * MAX_KEY + 1), entry, problems)
        else:
            problems.add(f"component {_shown(key)} is {_kind(entry)}, not an object")


def _listed(value: Any) -> list[Any]:
    """Return a key's entries. A bare object, as documents before draft 03 have, counts as one."""
    return value if isinstance(value, list) else [value]


def _component(key: str, entry: dict[str, Any], problems: _Problems) -> Component:
    said = entry.get("status", "pass")  # the draft makes it optional: a bare measurement is no complaint
    status = _status(said)
    output = _text(entry.get("output")) or ""
    if status is None:
        problems.add(f"component {_shown(key)} has the status {_shown(said)}")
        status, output = Status.WARN, output or f"its status is {_shown(said)}, not pass, warn or fail"
    own = {name: item for name, item in entry.items() if name not in _OF_COMPONENT}
    details = _fit(own, "details", key, problems) if own else NO_DETAILS
    return Component(
        key,
        _text(entry.get("componentId"), MAX_KEY),
        status,
        output,
        _fit(entry.get("observedValue"), "observedValue", key, problems),
        _text(entry.get("observedUnit"), MAX_KEY),
        _moment(entry.get("time")),
        details if details is not None else NO_DETAILS,
    )


def _fit(value: Any, what: str, key: str, problems: _Problems) -> Any:
    try:
        return bounded(value)
    except UnfitError as unfit:
        problems.add(f"{what} of {_shown(key)} {unfit}")
        return None


def _status(said: Any) -> Status | None:
    if not isinstance(said, str):
        return None
    return STATUSES.get(said) or STATUSES.get(said.strip().lower())


def _text(value: Any, limit: int = 1_000) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return clean(value, limit)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)  # a version of 1.4, a numeric id
    return None


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if is_count else None


def _moment(value: Any) -> float | None:
    """Return an RFC 3339 time as epoch seconds: UTC where it has no zone, None where it is no time."""
    if not isinstance(value, str) or len(value) > MAX_KEY:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(clean(value, MAX_KEY), ensure_ascii=False)
    return "missing" if value is None else _kind(value)
