"""When a certificate ends: read from its DER form with the standard library alone, and judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError
from healthkit.model import Result
from healthkit.status import Status

DAY = 86_400.0

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


class NoCertificateError(ValueError):
    """The bytes are not a certificate."""


@dataclass(frozen=True, slots=True)
class Validity:
    """The time a certificate holds for, in epoch seconds."""

    begins: float
    ends: float


def validity(der: bytes) -> Validity:
    """Return the validity of a certificate (RFC 5280, section 4.1). Raises `NoCertificateError`."""
    try:
        certificate = _Reader(der).enter(_SEQUENCE)
        body = certificate.enter(_SEQUENCE)
        body.skip_if(_VERSION)
        for _ in ("serial number", "signature algorithm", "issuer"):
            body.take()
        times = body.enter(_SEQUENCE)
        return Validity(_time(*times.take()), _time(*times.take()))
    except (IndexError, ValueError) as error:
        raise NoCertificateError(f"not a certificate: {type(error).__name__}") from None


class _Reader:
    """Reads one level of DER: a tag, a length, and that many bytes, again and again."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self) -> tuple[int, bytes]:
        tag, length, self._at = self._data[self._at], self._data[self._at + 1], self._at + 2
        if length & 0x80:
            size = length & 0x7F
            length, self._at = int.from_bytes(self._data[self._at : self._at + size]), self._at + size
        value = self._data[self._at : self._at + length]
        if len(value) != length:
            raise ValueError("cut short")
        self._at += length
        return tag, value

    def enter(self, tag: int) -> _Reader:
        found, value = self.take()
        if found != tag:
            raise ValueError("another structure")
        return _Reader(value)

    def skip_if(self, tag: int) -> None:
        if self._data[self._at] == tag:
            self.take()


def _time(tag: int, value: bytes) -> float:
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no time")
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year; from 50 on they are of the twentieth century
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Notice:
    """How long before its end a certificate warns and fails, in seconds."""

    warn: float
    fail: float


def notice(warn: Duration, fail: Duration, what: str) -> Notice:
    """Return the notice to give. Raises `ConfigurationError` naming `what`."""
    given = Notice(seconds(warn, what=f"{what}: warn"), seconds(fail, what=f"{what}: fail"))
    if given.warn < given.fail:
        raise ConfigurationError(f"{what}: warn={warn!r} comes after fail={fail!r}; swap them")
    return given


def judge(found: Validity, notice: Notice, now: float, details: dict[str, Any]) -> Result:
    """Return the days that are left, and how bad that is."""
    left = found.ends - now
    until = datetime.fromtimestamp(found.ends, UTC).strftime("%Y-%m-%d %H:%M UTC")
    status, output = Status.PASS, ""
    if found.begins > now:
        status, output = Status.FAIL, f"not valid yet: begins in {humanize(found.begins - now)}"
    elif left <= 0:
        status, output = Status.FAIL, f"expired {humanize(-left)} ago, on {until}"
    elif left < notice.warn:
        status = Status.FAIL if left < notice.fail else Status.WARN
        output = f"expires in {humanize(left)}, on {until}"
    expires = datetime.fromtimestamp(found.ends, UTC).isoformat()
    return Result(round(left / DAY, 2), "d", status, output, None, {**details, "expires": expires})
