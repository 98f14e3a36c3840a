"""Certificates, names, ports and mail servers, asked of real local servers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from examples.servers import free_port
from healthkit.checks.certificates import DAY
from healthkit.checks.net import DNS, SMTP, TCP, TLSExpiry
from healthkit.errors import ConfigurationError, Fail
from healthkit.health import Health
from healthkit.status import Status
from tests.recording import CERTIFICATE, RecordingServer, black_hole, refused_url
from tests.waiting import wait_for

ENDS = 4_948_891_034.0  # of tests/localhost.pem
EXPIRED = Path(__file__).with_name("expired.pem")
TRUSTED = str(CERTIFICATE)


@pytest.fixture
def tls() -> Iterator[RecordingServer]:
    with RecordingServer(tls=True) as server:
        yield server


def closed_port() -> int:
    return int(refused_url().rpartition(":")[2])


def test_a_port_that_takes_connections_passes_with_the_time_it_took() -> None:
    with RecordingServer() as server:
        said = TCP("127.0.0.1", server.port)()

    assert (said.status, said.unit) == (Status.PASS, "ms")
    assert 0 <= said.value < 1000


def test_a_port_on_which_nobody_listens_fails_with_its_reason() -> None:
    with pytest.raises(Fail, match="unreachable: connection refused"):
        TCP("127.0.0.1", closed_port())()


def test_a_host_whose_name_is_unknown_fails_with_its_reason() -> None:
    with pytest.raises(Fail, match="unreachable: the host name is not known"):
        TCP("no-such-host.invalid", 80)()


def test_a_black_hole_is_over_within_the_checks_timeout() -> None:
    health = Health("shop")
    with black_hole() as url:
        health.add(TCP("127.0.0.1", int(url.rpartition(":")[2])), timeout=0.3)
        started = time.monotonic()
        [reading] = health.report().readings

    assert (reading.status, reading.check.name[:13]) == (Status.FAIL, "tcp-127.0.0.1")
    assert time.monotonic() - started < 2


def test_the_days_of_a_servers_certificate_are_told(tls: RecordingServer) -> None:
    said = TLSExpiry("127.0.0.1", tls.port, ca_file=TRUSTED, clock=lambda: ENDS - 100 * DAY)()

    assert (said.status, said.value, said.unit) == (Status.PASS, 100.0, "d")
    assert said.details["expires"] == "2126-10-28T19:57:14+00:00"


@pytest.mark.parametrize(("days", "status"), [(20, Status.WARN), (3, Status.FAIL)])
def test_a_certificate_near_its_end_warns_and_fails(days: int, status: Status, tls: RecordingServer) -> None:
    said = TLSExpiry("localhost", tls.port, ca_file=TRUSTED, clock=lambda: ENDS - days * DAY)()

    assert (said.status, said.output) == (status, f"expires in {days} d, on 2126-10-28 19:57 UTC")


def test_a_certificate_that_nobody_trusted_has_signed_fails(tls: RecordingServer) -> None:
    with pytest.raises(Fail, match="TLS: certificate refused: self-signed certificate"):
        TLSExpiry("localhost", tls.port)()


def test_a_certificate_for_another_name_fails_and_names_it(tls: RecordingServer) -> None:
    with pytest.raises(Fail, match=r"certificate is not valid for 'shop\.example'"):
        TLSExpiry("127.0.0.1", tls.port, server_name="shop.example", ca_file=TRUSTED)()


def test_an_expired_certificate_fails() -> None:
    server = RecordingServer(tls=True)
    server._server.tls = context(EXPIRED)
    with server, pytest.raises(Fail, match="TLS: certificate refused: certificate has expired"):
        TLSExpiry("localhost", server.port, ca_file=str(EXPIRED))()


def context(certificate: Path = CERTIFICATE) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate)
    return found


def test_a_server_without_tls_fails() -> None:
    with RecordingServer() as server, pytest.raises(Fail, match="TLS: the certificate or the handshake"):
        TLSExpiry("localhost", server.port)()


def test_a_handshake_that_hangs_is_ended_from_outside_and_leaves_no_thread() -> None:
    health = Health("shop")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        health.add(TLSExpiry("127.0.0.1", silent.getsockname()[1]), timeout=0.3)
        [reading] = health.report().readings
        wait_for(lambda: not [t for t in threading.enumerate() if "tls-" in t.name], 5, "the end of the run")

    assert reading.output == "no answer within 0.3 s (limit 0.3 s)"


def test_a_name_resolves_to_its_addresses() -> None:
    said = DNS("localhost", expect={"127.0.0.0/8", "::1"})()

    assert said.status is Status.PASS
    assert "127.0.0.1" in said.value


def test_a_name_that_leads_elsewhere_fails_and_tells_where() -> None:
    with pytest.raises(Fail, match=r"leads to .*127\.0\.0\.1.*, which is not expected"):
        DNS("localhost", expect=["10.0.0.0/8"])()


def test_a_name_that_nobody_knows_fails() -> None:
    with pytest.raises(Fail, match=r"unreachable: the (host name is not known|name server does not answer)"):
        DNS("no-such-host.invalid")()
    with pytest.raises(Fail, match="unreachable: the host name is not known"):
        DNS("a" * 300 + ".example")()


@contextlib.contextmanager
def mail_server(**given: Any) -> Iterator[int]:
    """A real SMTP server; its port."""
    given = {"tls_context": context(), "require_starttls": False, **given}
    port = free_port()
    server = Controller(Nothing(), hostname="127.0.0.1", port=port, server_hostname="localhost", **given)
    server.start()
    try:
        yield port
    finally:
        server.stop()


class Nothing:
    """Takes no mail."""


def only_right(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"shop", b"right"), handled=False)


def test_a_mail_server_that_greets_passes() -> None:
    with mail_server() as port:
        said = SMTP("127.0.0.1", port)()

    assert (said.status, said.unit) == (Status.PASS, "ms")


def test_a_mail_server_that_encrypts_and_lets_us_in_passes() -> None:
    with mail_server(authenticator=only_right) as port:
        assert (
            SMTP("localhost", port, starttls=True, login=("shop", "right"), ca_file=TRUSTED)().status
            is Status.PASS
        )


def test_a_password_that_is_refused_fails_and_is_not_shown() -> None:
    with mail_server(authenticator=only_right) as port:
        check = SMTP("localhost", port, starttls=True, login=("shop", "wrong-hunter2"), ca_file=TRUSTED)
        with pytest.raises(Fail, match="authentication failed: the mail server refuses this user") as caught:
            check()

    assert "hunter2" not in repr(caught.value) + repr(check)


def test_a_mail_servers_wrong_certificate_fails() -> None:
    with mail_server() as port, pytest.raises(Fail, match=r"TLS: certificate refused: self-signed"):
        SMTP("localhost", port, starttls=True)()


def test_a_mail_server_without_starttls_fails_where_it_is_wanted() -> None:
    with (
        mail_server(tls_context=None) as port,
        pytest.raises(Fail, match="refused: the mail server offers no"),
    ):
        SMTP("localhost", port, starttls=True, ca_file=TRUSTED)()


def test_a_mail_server_with_tls_from_the_start_passes() -> None:
    with mail_server(ssl_context=context(), tls_context=None) as port:
        assert SMTP("localhost", port, tls=True, ca_file=TRUSTED)().status is Status.PASS


@pytest.mark.parametrize(
    ("greeting", "told"),
    [
        (b"554 go away\r\n", "refused: the mail server greets with 554"),
        (b"220 hi\r\n", "unreachable: the mail server closed the connection"),
        (b"", "unreachable: the mail server closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n", "refused: the mail server greets with -1"),
    ],
)
def test_a_server_that_does_not_take_mail_fails(greeting: bytes, told: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(Fail) as caught:
            SMTP("127.0.0.1", listener.getsockname()[1])()

    assert caught.value.reason == told


def test_names_and_keys() -> None:
    health = Health("shop")
    for probe in (
        TCP("::1", 80),
        TLSExpiry("shop.example"),
        DNS("db"),
        SMTP("mail.example", 587),
        TCP("a", 1),
    ):
        health.add(probe)

    assert [check.key for check in health.checks] == [
        "tcp--1-80:responseTime",
        "tls-shop.example:expiry",
        "dns-db:addresses",
        "smtp-mail.example:responseTime",
        "tcp-a-1:responseTime",
    ]


@pytest.mark.parametrize(
    ("check", "given", "told"),
    [
        (TCP, {"host": "https://shop.example", "port": 1}, "TCP: 'https://shop.example' is no host"),
        (TCP, {"host": "a", "port": 0}, "TCP: port 0 is no number from 1 to 65535"),
        (TLSExpiry, {"host": "a", "warn": "1d"}, "check 'tls-a': warn='1d' comes after fail='7d'"),
        (SMTP, {"host": "a", "tls": True, "starttls": True}, "SMTP: starttls and tls exclude each other"),
        (SMTP, {"host": "a", "login": ("u", "hunter2")}, "would send the password in the clear"),
        (DNS, {"host": "a", "expect": ["10.0.0.1/8"]}, "DNS: expect: 10.0.0.1/8 has host bits set"),
        (DNS, {"host": ""}, "DNS: '' is no host name"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_start_up(check: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(**given)

    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)
