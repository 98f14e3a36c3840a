"""E-mail goes out over a real SMTP server: text and HTML, one thread an incident, nobody's name a header."""

from __future__ import annotations

import asyncio
import contextlib
import email
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from checker.channels import ChannelError, build
from checker.http import Http
from checker.model import ChannelSpec, Event, Notification
from tests.checker.channels.samples import AT, HOSTILE, hostile, member, notification, refusal_of, tell
from tests.recording import CERTIFICATE


class Mailbox:
    """What a mail server was handed, and what it answers."""

    def __init__(self) -> None:
        self.received: list[tuple[str, EmailMessage]] = []  # (recipient, message)
        self.answers: dict[str, list[str]] = {}  # recipient -> what to answer to RCPT, one after another
        self.data_answers: list[str] = []
        self.secured: list[bool] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.answers.get(address):
            return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.data_answers:
            return self.data_answers.pop(0)
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received += [(recipient, message) for recipient in envelope.rcpt_tos]
        self.secured.append(session.ssl is not None)
        return "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        return [message for _, message in self.received]


def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(CERTIFICATE)
    return made


@contextlib.contextmanager
def server(mailbox: Mailbox, **options: Any) -> Iterator[dict[str, Any]]:
    """A real SMTP server; yields the channel's settings."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield {
            "host": "127.0.0.1",
            "port": port,
            "from": "Health Kit <checker@example.com>",
            "to": ["ops@example.com"],
        }
    finally:
        controller.stop()


def mail(told: Notification, **settings: Any) -> Mailbox:
    mailbox = Mailbox()
    with server(mailbox) as given:
        tell("email", {**given, **settings}, told)
    return mailbox


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    text = found.get_content()
    assert isinstance(text, str)
    return text


def test_a_message_has_subject_text_and_html_and_says_that_it_is_automatic() -> None:
    [message] = mail(notification()).messages
    assert message["Subject"] == "Down: shop: database:write"
    assert message["From"] == "Health Kit <checker@example.com>"
    assert message["To"] == "ops@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.timestamp() == AT
    assert "- shop/database:write: down, read-only" in part(message, "plain")
    html = part(message, "html")
    assert "<li>shop/database:write: down, read-only</li>" in html
    assert 'href="https://checker.example/incidents/7"' in html


def test_several_recipients_each_get_it() -> None:
    mailbox = mail(notification(), to="a@example.com, B <b@example.com>")
    assert [recipient for recipient, _ in mailbox.received] == ["a@example.com", "b@example.com"]
    assert mailbox.messages[0]["To"] == "a@example.com, B <b@example.com>"


def test_the_messages_of_an_incident_make_one_thread_and_a_repeat_is_known() -> None:
    mailbox = Mailbox()
    with server(mailbox) as given:
        tell("email", given, notification(), dedup="1")
        tell("email", given, notification(Event.REMINDER), dedup="2")
        tell("email", given, notification(Event.RESOLVED), dedup="3")
        tell("email", given, notification(Event.RESOLVED), dedup="3")
    opened, reminder, resolved, repeat = mailbox.messages
    assert opened["In-Reply-To"] is None
    for later in (reminder, resolved):
        assert later["In-Reply-To"] == later["References"] == opened["Message-ID"]
    assert len({message["Message-ID"] for message in (opened, reminder, resolved)}) == 3
    assert repeat["Message-ID"] == resolved["Message-ID"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("event", [Event.OPENED, Event.RESOLVED])
def test_no_name_becomes_a_header_or_markup_and_no_message_is_lost(text: str, event: Event) -> None:
    [message] = mail(hostile(text, event)).messages
    assert set(message.keys()) <= {
        "Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
        "X-Auto-Response-Suppress", "MIME-Version", "Content-Type", "X-Peer", "X-MailFrom", "X-RcptTo",
    }  # fmt: skip
    html = part(message, "html")
    assert "<script" not in html
    assert "javascript:" not in html or 'href="javascript:' not in html
    assert "\x1b" not in html + part(message, "plain")
    assert "\u202e" not in html + part(message, "plain")


def test_unusual_letters_arrive() -> None:
    [message] = mail(
        notification(Event.OPENED, member("größer 日本語 🔥"), title="größer 日本語 🔥")
    ).messages
    assert message["Subject"] == "Down: größer 日本語 🔥"
    assert "größer 日本語 🔥: down" in part(message, "plain")


def test_a_4xx_is_tried_again_and_a_5xx_is_not() -> None:
    mailbox = Mailbox()
    mailbox.data_answers = ["451 try later", "554 no thanks"]
    with server(mailbox) as given:
        first, second = refusal_of("email", given), refusal_of("email", given)
        tell("email", given, notification())
    assert (first.permanent, second.permanent) == (False, True)
    assert "answered 451: try later" in first.reason
    assert "answered 554: no thanks" in second.reason
    assert len(mailbox.received) == 1


def test_a_retry_goes_only_to_those_who_do_not_have_it_yet() -> None:
    mailbox = Mailbox()
    mailbox.answers = {"b@example.com": ["451 greylisted"]}

    async def main(given: dict[str, Any]) -> None:
        async with Http() as http:
            given["to"] = ["a@example.com", "b@example.com", "c@example.com"]
            channel = build(ChannelSpec("ops", "email", given), http, clock=lambda: AT)
            with pytest.raises(ChannelError, match=r"451 for b@example\.com") as caught:
                await channel.send(notification(), dedup="1")
            assert not caught.value.permanent
            await channel.send(notification(), dedup="1")
            await channel.send(notification(), dedup="1")  # afterwards nothing is remembered of it

    with server(mailbox) as given:
        asyncio.run(main(given))
    got = [recipient[0] for recipient, _ in mailbox.received]
    assert got == ["a", "c", "b", "a", "b", "c"]


def test_one_recipient_refused_for_good_does_not_keep_it_from_the_others() -> None:
    mailbox = Mailbox()
    mailbox.answers = {"gone@example.com": ["550 no such user"] * 2}
    with server(mailbox) as given:
        tell("email", {**given, "to": ["gone@example.com", "a@example.com"]}, notification())
        error = refusal_of("email", {**given, "to": ["gone@example.com"]})
    assert [recipient for recipient, _ in mailbox.received] == ["a@example.com"]
    assert error.permanent
    assert "550 for gone@example.com" in error.reason


def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me", b"s3cret")
    return AuthResult(success=right, handled=False)


def test_starttls_and_login_work_and_a_wrong_password_is_permanent_and_not_shown() -> None:
    mailbox = Mailbox()
    options = {
        "tls_context": context(),
        "require_starttls": True,
        "auth_required": True,
        "authenticator": login,
    }
    with server(mailbox, **options) as given:
        given |= {"ca_file": str(CERTIFICATE), "username": "me", "password": "s3cret"}
        tell("email", given, notification())
        error = refusal_of("email", {**given, "password": "wr0ng"})
    assert mailbox.secured == [True]
    assert error.permanent
    assert "535" in error.reason
    assert "wr0ng" not in error.reason


def test_tls_from_the_first_byte_works() -> None:
    mailbox = Mailbox()
    with server(mailbox, ssl_context=context()) as given:
        tell("email", {**given, "security": "tls", "ca_file": str(CERTIFICATE)}, notification())
    assert len(mailbox.received) == 1


def test_a_certificate_nobody_trusts_stops_the_mail_and_says_what_to_set() -> None:
    with server(Mailbox(), tls_context=context()) as given:
        error = refusal_of("email", given)
    assert "self-signed" in error.reason or "self signed" in error.reason
    assert '"ca_file"' in error.reason


def test_a_password_is_not_sent_in_the_clear_unless_the_user_says_so() -> None:
    mailbox = Mailbox()
    with server(mailbox, authenticator=login, auth_require_tls=False) as given:
        given |= {"username": "me", "password": "s3cret"}
        error = refusal_of("email", given)
        assert error.permanent
        assert "in the clear" in error.reason
        tell("email", {**given, "security": "none"}, notification())
    assert len(mailbox.received) == 1


def test_starttls_that_is_demanded_and_not_offered_is_permanent() -> None:
    with server(Mailbox()) as given:
        assert refusal_of("email", {**given, "security": "starttls"}).permanent


def test_a_server_that_is_down_or_unknown_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    given = {"host": "127.0.0.1", "port": port, "from": "a@example.com", "to": "b@example.com"}
    refused = refusal_of("email", given)
    assert (refused.permanent, "connection refused" in refused.reason) == (False, True)
    unknown = refusal_of("email", {**given, "host": "mail.invalid"})
    assert (unknown.permanent, "no such host" in unknown.reason) == (False, True)


@pytest.mark.parametrize("greeting", [b"", b"220 hello\r\n", b"2"])
def test_a_server_that_hangs_is_given_up_in_time_and_leaves_no_thread(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        given = {
            "host": "127.0.0.1",
            "port": listener.getsockname()[1],
            "from": "a@example.com",
            "to": "b@example.com",
            "timeout": 0.4,
        }

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                while connection.recv(100):
                    pass

        threading.Thread(target=accept, daemon=True).start()
        start = time.monotonic()
        error = refusal_of("email", given)
        assert time.monotonic() - start < 3
    assert not error.permanent
    end = time.monotonic() + 5
    while any(thread.name == "healthkit-e-mail" for thread in threading.enumerate()):
        assert time.monotonic() < end, "the thread is still there"
        time.sleep(0.02)


def test_the_address_guard_holds_for_mail_servers_too() -> None:
    with server(Mailbox()) as given:
        error = refusal_of("email", {**given, "allow_private": False})
    assert error.permanent
    assert "private" in error.reason
