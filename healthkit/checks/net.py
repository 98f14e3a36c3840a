"""Checks of what lies on the way: certificates as servers show them, names, ports, and the way out for mail.

health.add(TLSExpiry("shop.example"))
health.add(DNS("db.internal", expect={"10.0.0.0/8"}))
health.add(TCP("queue.internal", 5672))
health.add(SMTP("mail.example", 587, starttls=True, login=("shop", password)))
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from healthkit.checks.certificates import Validity, judge, notice
from healthkit.checks.http_get import SOCKET_TIMEOUT, verifying
from healthkit.checks.reasons import NO_NAME, network_reason
from healthkit.checks.smtp import converse, handshake
from healthkit.durations import Duration
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result

Clock = Callable[[], float]


class _Connected:
    """What the checks that connect have in common: where to, how long it took, and an end from outside."""

    measurement = "responseTime"
    component_type = "component"
    kind = ""

    def __init__(self, host: str, port: int, name: str | None, clock: Clock) -> None:
        what = type(self).__name__
        if not isinstance(host, str) or not host or "/" in host:
            raise ConfigurationError(
                f"{what}: {host!r:.100} is no host; give its name alone, such as shop.example"
            )
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise ConfigurationError(f"{what}: port {port!r:.100} is no number from 1 to 65535")
        self.host, self.port = host, port
        self.name = name or label(f"{self.kind}-{host}")
        self.identity = f"{self.kind}:{host}:{port}"
        self._clock = clock
        self._socket: socket.socket | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r}, {self.port})"

    def __call__(self) -> Result:
        """Connect and look; raises `Fail` with the class of reason first."""
        before = self._clock()
        try:
            with socket.create_connection((self.host, self.port), SOCKET_TIMEOUT) as connected:
                self._socket = connected
                result = self.look(connected)
        except (OSError, EOFError) as error:
            raise Fail(network_reason(error) or type(error).__name__) from None
        finally:
            self._socket = None
        return result or Result(round((self._clock() - before) * 1000, 1), "ms")

    def look(self, connected: socket.socket) -> Result | None:  # noqa: ARG002
        """Look closer than that it connects; nothing more by default."""
        return None

    def keep(self, connected: socket.socket) -> None:
        """Know the socket that takes the place of the one before."""
        self._socket = connected

    def abort(self) -> None:
        """End the run under way, from any thread."""
        connected = self._socket
        if connected is not None:
            with suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


class TCP(_Connected):
    """Something takes connections at `host`, `port`. The value is the time that took, in milliseconds."""

    kind = "tcp"

    def __init__(self, host: str, port: int, *, name: str | None = None, clock: Clock = time.time) -> None:
        super().__init__(host, port, name or label(f"tcp-{host}-{port}"), clock)


class TLSExpiry(_Connected):
    """Days until the certificate that a server shows expires; its chain and its name are verified as a
    browser does.

    A certificate that is not for `server_name` (by default `host`), that nobody trusted has signed or that
    has expired fails and says so. `ca_file` names the authorities to trust instead of the system's. `warn`
    and `fail` are how long before the end.
    """

    measurement = "expiry"
    kind = "tls"
    fresh_for = 60.0

    def __init__(
        self,
        host: str,
        port: int = 443,
        *,
        warn: Duration = "21d",
        fail: Duration = "7d",
        server_name: str | None = None,
        ca_file: str | None = None,
        name: str | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(host, port, name, clock)
        self._notice = notice(warn, fail, f"check {self.name!r}")
        self._server_name = server_name or host
        self._ca_file = ca_file

    def look(self, connected: socket.socket) -> Result:
        """Shake hands, verify, and judge the days that are left."""
        context = verifying(self._ca_file)
        try:
            with handshake(connected, context, self._server_name, self.keep) as secure:
                shown: Any = secure.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            raise Fail(f"TLS: certificate refused: {error.verify_message.rstrip('.')}") from None
        begins, ends = (ssl.cert_time_to_seconds(shown[key]) for key in ("notBefore", "notAfter"))
        return judge(Validity(begins, ends), self._notice, self._clock(), {"host": self.host})


class SMTP(_Connected):
    """The mail server takes mail from us: it greets, and where asked for, it encrypts and lets us log in.

    `starttls=True` insists on an encrypted connection, `tls=True` on one from the start (port 465), both with
    a verified certificate; `login` is a user and password. Nothing is sent.
    """

    kind = "smtp"

    def __init__(
        self,
        host: str,
        port: int = 25,
        *,
        starttls: bool = False,
        tls: bool = False,
        login: tuple[str, str] | None = None,
        ca_file: str | None = None,
        name: str | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(host, port, name, clock)
        if starttls and tls:
            raise ConfigurationError(
                "SMTP: starttls and tls exclude each other; port 465 wants tls, 587 starttls"
            )
        if login is not None and not (starttls or tls):
            raise ConfigurationError(
                "SMTP: login without starttls or tls would send the password in the clear"
            )
        self._starttls, self._tls = starttls, tls
        self._login, self._ca_file = login, ca_file

    def look(self, connected: socket.socket) -> None:
        """Greet, encrypt, log in, and take leave."""
        context = verifying(self._ca_file) if self._starttls or self._tls else None
        converse(connected, self.host, context, from_start=self._tls, login=self._login, keep=self.keep)


class DNS:
    """A name resolves, through the system's own resolver. The value is the addresses.

    `expect` names addresses or networks ("10.0.0.0/8"): one that is found outside of them all fails.
    """

    measurement = "addresses"
    component_type = "component"

    def __init__(self, host: str, *, expect: Iterable[str] | None = None, name: str | None = None) -> None:
        if not isinstance(host, str) or not host:
            raise ConfigurationError(f"DNS: {host!r:.100} is no host name")
        self.host = host
        self.name = name or label(f"dns-{host}")
        self.identity = f"dns:{host}"
        self._expected = None if expect is None else _networks(expect)

    def __call__(self) -> Result:
        """Raises `Fail` when the name is unknown or leads elsewhere."""
        try:
            found = sorted({str(row[4][0]) for row in socket.getaddrinfo(self.host, None)})
        except (OSError, UnicodeError) as error:
            raise Fail(_why_unknown(error)) from None
        strange = [
            address for address in found if self._expected is not None and not self._is_expected(address)
        ]
        if strange:
            raise Fail(f"leads to {', '.join(strange[:5])}, which is not expected", value=found)
        return Result(found)

    def _is_expected(self, address: str) -> bool:
        parsed = ip_address(address.partition("%")[0])
        return any(parsed in network for network in self._expected or ())


def label(text: str) -> str:
    """Return text as a check's name."""
    return re.sub(r"[^\w.@+~-]+", "-", text, flags=re.ASCII).strip("-")[:100]


def _networks(expect: Iterable[str]) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(text) for text in ([expect] if isinstance(expect, str) else expect)]
    except ValueError as error:
        raise ConfigurationError(
            f"DNS: expect: {error}; give addresses, or networks such as 10.0.0.0/8"
        ) from None


def _why_unknown(error: Exception) -> str:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return "unreachable: the name server does not answer"
    return NO_NAME
