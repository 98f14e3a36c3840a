"""One delivery over SMTP, in a thread: connect, secure, log in, send, and say what the server said."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

from checker.channels.base import ChannelError
from checker.http.addresses import refusal
from checker.rules.text import clean

_log = logging.getLogger(__name__)

SECURITY = ("auto", "tls", "starttls", "none")


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how mail is handed in. `timeout` in seconds, for the whole delivery."""

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    timeout: float = 10.0
    allow_private: bool = True

    @property
    def place(self) -> str:
        """Host and port, as messages show it."""
        return f"{self.host}:{self.port}"


class Delivery:
    """One message to some recipients. `accepted` tells, at any time, who has it."""

    def __init__(self, server: Server, message: EmailMessage, sender: str, recipients: Sequence[str]) -> None:
        self.accepted: set[str] = set()
        self._server = server
        self._message = message
        self._sender = sender
        self._recipients = recipients
        self._aborted = False
        self._client: smtplib.SMTP | None = None

    def run(self) -> None:
        """Deliver; raise `ChannelError` unless every recipient has it.

        One who is refused for good while others have it is logged: trying again would not help him.
        """
        try:
            self._deliver()
        except ChannelError:
            raise
        except smtplib.SMTPResponseException as error:
            raise self._said(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            reason = f"{self._server.place} cannot do what is asked of it: {clean(str(error), 200)}"
            raise ChannelError(reason, permanent=True) from None
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or type(error).__name__
            reason = f"no secure connection to {self._server.place}: {clean(str(why), 200)}"
            raise ChannelError(f'{reason} (set "ca_file", or another "security")') from None
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelError(f"no delivery through {self._server.place}: {_words(error)}") from None

    def abort(self) -> None:
        """End a delivery that hangs, from another thread: its socket is shut, so that its call returns."""
        self._aborted = True
        client = self._client
        sock = client.sock if client is not None else None
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _deliver(self) -> None:
        server = self._server
        context = ssl.create_default_context(cafile=server.ca_file or None)
        deadline = time.monotonic() + server.timeout
        with contextlib.ExitStack() as stack:
            client: smtplib.SMTP
            if server.security == "tls":
                client = smtplib.SMTP_SSL(local_hostname=own_name(), timeout=server.timeout, context=context)
            else:
                client = smtplib.SMTP(local_hostname=own_name(), timeout=server.timeout)
            self._client = client
            stack.callback(client.close)
            # `_host` is what STARTTLS and TLS check the certificate against; connect() alone leaves it empty.
            client._host = server.host  # type: ignore[attr-defined]
            code, said = client.connect(server.host, server.port)
            if code != 220:
                raise self._said(code, said)
            self._guard(client)
            self._secure(client, context)
            if server.username:
                client.login(server.username, server.password)
            self._hand_in(client, deadline)
            with contextlib.suppress(OSError, smtplib.SMTPException):
                client.quit()

    def _guard(self, client: smtplib.SMTP) -> None:
        address = client.sock.getpeername()[0] if client.sock is not None else ""
        reason = refusal(address, allow_private=self._server.allow_private)
        if reason:
            raise ChannelError(f"{self._server.place} was not used: {address} is {reason}", permanent=True)

    def _secure(self, client: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server = self._server
        client.ehlo_or_helo_if_needed()
        if server.security == "starttls" or (server.security == "auto" and client.has_extn("starttls")):
            client.starttls(context=context)
            client.ehlo_or_helo_if_needed()
        elif server.security == "auto" and server.username:
            reason = f"{server.place} offers no STARTTLS, and the password is not sent in the clear"
            raise ChannelError(f'{reason} (unless "security" is "none")', permanent=True)

    def _hand_in(self, client: smtplib.SMTP, deadline: float) -> None:
        """Give it to each recipient in a transaction of its own: one refusal costs the others nothing."""
        refused: list[ChannelError] = []
        for recipient in self._recipients:
            if self._aborted or time.monotonic() > deadline:
                raise ChannelError(
                    f"no time was left to hand it to all recipients through {self._server.place}"
                )
            try:
                client.send_message(self._message, self._sender, [recipient])
            except smtplib.SMTPRecipientsRefused as error:
                code, said = error.recipients[recipient]
                refused.append(self._said(code, said, f" for {recipient}"))
            else:
                self.accepted.add(recipient)
        self._tell(refused)

    def _tell(self, refused: Sequence[ChannelError]) -> None:
        for error in refused:
            if not error.permanent:
                raise error
        if refused and not self.accepted:
            raise refused[0]
        for error in refused:
            _log.warning("mail went out to the others, but %s", error.reason)

    def _said(self, code: int, said: bytes | str, about: str = "") -> ChannelError:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        reason = f"{self._server.place} answered {code}{about}: {clean(' '.join(text.split()), 200)}"
        return ChannelError(reason, permanent=500 <= code < 600)


def own_name() -> str:
    """Return how we greet a mail server. Left to itself, smtplib asks the name servers, which may hang."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionError):
        return "it cut the connection"
    return clean(f"{type(error).__name__}", 200)
