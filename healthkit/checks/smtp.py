"""A conversation with a mail server that sends nothing: greeting, encryption, login."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable

from healthkit.errors import Fail

WRONG_LOGIN = "authentication failed: the mail server refuses this user or password"
Keep = Callable[[socket.socket], None]


class _Conversation(smtplib.SMTP):
    """smtplib over a socket that is connected already."""

    def __init__(self, connected: socket.socket, host: str) -> None:
        self._connected = connected
        super().__init__()
        self._host = host  # the name that STARTTLS verifies
        code, _ = self.connect(host)
        if code != 220:
            self.close()
            raise Fail(f"refused: the mail server greets with {code}")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002
        return self._connected


def converse(
    connected: socket.socket,
    host: str,
    context: ssl.SSLContext | None,
    *,
    from_start: bool,
    login: tuple[str, str] | None,
    keep: Keep,
) -> None:
    """Greet, encrypt, log in and take leave. Raises `Fail` with the class of reason first, and `OSError`.

    `keep` is told of each socket that takes the place of the one before.
    """
    try:
        if from_start and context is not None:
            connected = handshake(connected, context, host, keep)
        _talk(_Conversation(connected, host), context if not from_start else None, login, keep)
    except ssl.SSLCertVerificationError as error:
        raise Fail(f"TLS: certificate refused: {error.verify_message.rstrip('.')}") from None
    except smtplib.SMTPAuthenticationError:
        raise Fail(WRONG_LOGIN) from None
    except smtplib.SMTPServerDisconnected:
        raise Fail("unreachable: the mail server closed the connection") from None
    except smtplib.SMTPNotSupportedError:
        raise Fail("refused: the mail server offers no STARTTLS") from None
    except smtplib.SMTPException as error:
        code = getattr(error, "smtp_code", "")
        raise Fail(f"refused: the mail server answers {code or type(error).__name__}") from None
    finally:
        connected.close()


def _log_in(server: smtplib.SMTP, login: tuple[str, str]) -> None:
    """Log in by one mechanism: smtplib would go through all, and a wrong password thrice may lock us out."""
    server.ehlo_or_helo_if_needed()
    offered = server.esmtp_features.get("auth", "").upper().split()
    mechanism = next((name for name in ("PLAIN", "LOGIN", "CRAM-MD5") if name in offered), None)
    if mechanism is None:
        raise Fail("refused: the mail server offers no login that we know")
    server.user, server.password = login  # where smtplib's own login() puts them
    try:
        server.auth(mechanism, getattr(server, f"auth_{mechanism.lower().replace('-', '_')}"))
    except smtplib.SMTPServerDisconnected:  # some hang up on a wrong password
        raise Fail(WRONG_LOGIN) from None


def handshake(connected: socket.socket, context: ssl.SSLContext, name: str, keep: Keep) -> ssl.SSLSocket:
    """Return the connection encrypted; `keep` knows the new socket before the handshake, which may hang."""
    secure = context.wrap_socket(connected, server_hostname=name, do_handshake_on_connect=False)
    keep(secure)
    try:
        secure.do_handshake()
    except BaseException:
        secure.close()
        raise
    return secure


def _talk(
    server: smtplib.SMTP, context: ssl.SSLContext | None, login: tuple[str, str] | None, keep: Keep
) -> None:
    try:
        server.ehlo_or_helo_if_needed()
        if context is not None:
            code, _ = server.starttls(context=context)
            if code != 220:
                raise Fail(f"refused: the mail server answers STARTTLS with {code}")
            if server.sock is not None:
                keep(server.sock)
        if login is not None:
            _log_in(server, login)
        code, _ = server.noop()
        if code != 250:
            raise Fail(f"refused: the mail server answers {code}")
        server.quit()
    finally:
        server.close()
