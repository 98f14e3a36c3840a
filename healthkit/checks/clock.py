"""`ClockSkew`: this machine's clock against one the user trusts, by NTP or an HTTP answer's `Date`."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from healthkit.checks.http_get import Fetcher
from healthkit.checks.reasons import network_reason
from healthkit.checks.thresholds import over
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result

NTP_PORT = 123
NTP_TIMEOUT = 2.0  # seconds
_TO_UNIX = 2_208_988_800  # seconds from 1900 to 1970
_ERA = 1 << 32  # NTP's seconds begin anew in 2036
_PACKET = struct.Struct("!BBbbII4s8s8sII8s")

Clock = Callable[[], float]


class ClockSkew:
    """How far this machine's clock is off: tokens expire early, schedules fire late, signatures are refused.

    `source` is an NTP server ("ntp://pool.ntp.org", or the bare name) or a URL whose answers carry a `Date`
    ("https://example.com/"), which is exact to a second. `warn` and `fail` are durations; what the
    measurement itself may be off by is allowed for. A source that does not answer says nothing of the clock:
    a warning.
    """

    measurement = "skew"
    component_type = "system"
    critical = False
    fresh_for = 300.0

    def __init__(
        self,
        source: str,
        *,
        warn: Duration | None = "2s",
        fail: Duration | None = "30s",
        name: str = "clock",
        clock: Clock = time.time,
    ) -> None:
        self.name = name
        self._warn, self._fail = (
            None if value is None else seconds(value, what=f"check {name!r}: {which}")
            for which, value in (("warn", warn), ("fail", fail))
        )
        self._clock = clock
        self._source: _HTTPDate | _NTP = _source(source)

    def __call__(self) -> Result:
        """Raises `Warn` when the source does not answer."""
        try:
            offset, uncertainty = self._source.measure(self._clock)
        except Fail as error:
            raise Warn(f"the time source {self._source.host} gave no time: {error.reason}") from None
        proven = max(0.0, abs(offset) - uncertainty)
        status, limit = over(proven, self._warn, self._fail)
        way = "behind" if offset > 0 else "ahead of"
        output = f"this clock is {humanize(abs(offset))} {way} {self._source.host} (limit {humanize(limit)})"
        details = {"source": self._source.host, "uncertainty_s": round(uncertainty, 3)}
        return Result(round(-offset, 3), "s", status, output if limit else "", None, details)

    def abort(self) -> None:
        """End a measurement under way."""
        self._source.abort()


class _HTTPDate:
    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).hostname or ""
        self._fetcher = Fetcher(url, "check 'clock'")

    def measure(self, clock: Clock) -> tuple[float, float]:
        before = clock()
        date = self._fetcher.fetch("HEAD", {"Cache-Control": "no-cache"}).headers.get("Date", "")
        after = clock()
        try:
            shown = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError):
            raise Fail("its answer has no Date") from None
        return shown + 0.5 - (before + after) / 2, 0.5 + (after - before) / 2  # the Date is cut to the second

    def abort(self) -> None:
        self._fetcher.abort()


class _NTP:
    """SNTP (RFC 4330): one packet there and one back."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self._port = host, port

    def measure(self, clock: Clock) -> tuple[float, float]:
        try:
            return self._ask(clock)
        except OSError as error:
            raise Fail(network_reason(error) or type(error).__name__) from None

    def abort(self) -> None:
        """Nothing to end: it waits for one packet, and not for long."""

    def _ask(self, clock: Clock) -> tuple[float, float]:
        family, kind, protocol, _, address = socket.getaddrinfo(
            self.host, self._port, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.settimeout(NTP_TIMEOUT)
            asking.connect(address)  # so that only its own answer arrives
            mark = os.urandom(8)  # comes back, and so proves that the answer is to this question
            before = clock()
            asking.send(_PACKET.pack(0x23, 0, 0, 0, 0, 0, b"", b"", b"", 0, 0, mark))
            answer = asking.recv(512)
            return _offset(answer, mark, before, clock())


def _offset(answer: bytes, mark: bytes, before: float, after: float) -> tuple[float, float]:
    """Return by how much the server is ahead, and what that may be off by. Raises `Fail`."""
    if len(answer) < _PACKET.size:
        raise Fail("its answer is no NTP")
    head, stratum, _, _, _, _, _, _, origin, *received, sent = _PACKET.unpack(answer[: _PACKET.size])
    if head & 7 != 4 or origin != mark:
        raise Fail("its answer is to another question")
    if not 1 <= stratum <= 15 or head >> 6 == 3:
        raise Fail("it is not synchronised itself, or asks to be left alone")
    theirs, left = _time(*received, near=before), _time(*struct.unpack("!II", sent), near=before)
    return ((theirs - before) + (left - after)) / 2, max(0.0, (after - before) - (left - theirs)) / 2


def _time(whole: int, part: int, *, near: float) -> float:
    """Return epoch seconds, in the era of NTP that is nearest to now."""
    time = whole - _TO_UNIX + part / _ERA
    return time + round((near - time) / _ERA) * _ERA


def _source(source: str) -> _HTTPDate | _NTP:
    if re.match(r"https?://", source, re.IGNORECASE):
        return _HTTPDate(source)
    parts = urlsplit(source if "://" in source else f"ntp://{source}")
    if parts.scheme != "ntp" or not parts.hostname:
        raise ConfigurationError(
            f'check \'clock\': source {source!r:.100}: write "ntp://server" or a URL, such as "https://example.com"'
        )
    return _NTP(parts.hostname, parts.port or NTP_PORT)
