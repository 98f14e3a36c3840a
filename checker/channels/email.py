"""email: SMTP, text and HTML, one thread an incident."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate, parseaddr
from pathlib import Path

import jinja2

from checker.channels import _smtp, _threads
from checker.channels.base import Channel, Clock, Pace
from checker.channels.story import Story, tell
from checker.http import Http
from checker.model import ChannelSpec, Event, Notification

MAX_REMEMBERED = 1_000  # deliveries of which it is known who has them already
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Email(Channel):
    """Sends mail over SMTP.

    `security`: "auto" (the default: TLS on port 465, else STARTTLS where it is offered), "tls", "starttls",
    or "none". A password is sent over a connection without encryption only with "none". `ca_file` names the
    trusted certificates where the system's are not meant.
    """

    pace = Pace(at_once=4)
    required = frozenset({"host", "from", "to"})
    optional = frozenset({"port", "security", "username", "password", "ca_file", "timeout", "allow_private"})

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self._sender = self._address("from", self.text_setting("from"))
        given = spec.settings["to"]
        recipients = given if isinstance(given, list) else str(given).split(",")
        self._recipients = [self._address("to", str(each)) for each in recipients]
        if not self._recipients:
            raise self._wrong('"to"', "names nobody")
        self._server = self._server_settings()
        self._delivered: OrderedDict[str, set[str]] = OrderedDict()

    async def send(self, notification: Notification, *, dedup: str) -> None:
        taken = self._delivered.setdefault(dedup, set())
        while len(self._delivered) > MAX_REMEMBERED:
            self._delivered.popitem(last=False)
        missing = [each for each in self._recipients if each.addr_spec not in taken]
        message = self._message(notification, dedup)
        delivery = _smtp.Delivery(
            self._server, message, self._sender.addr_spec, [each.addr_spec for each in missing]
        )
        try:
            await _threads.run(delivery.run, self.timeout, "e-mail", abort=delivery.abort)
        finally:
            taken.update(delivery.accepted)  # a retry goes to the others only
        self._delivered.pop(dedup, None)

    def _message(self, notification: Notification, dedup: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP_POLICY)
        story = tell(notification)
        message["Subject"] = story.headline()
        message["From"] = self._sender
        message["To"] = self._recipients
        message["Date"] = formatdate(self._clock())
        thread = self._id(f"incident {notification.incident.dedup_key}")
        if notification.event is Event.OPENED:
            message["Message-ID"] = thread
        else:
            message["Message-ID"] = self._id(f"delivery {dedup}")
            message["In-Reply-To"] = thread
            message["References"] = thread
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(story.plain)
        message.add_alternative(html(story), subtype="html")
        return message

    def _id(self, what: str) -> str:
        digest = hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:32]
        domain = self._sender.domain
        return f"<{digest}@{domain if domain.isascii() else 'healthkit.invalid'}>"

    def _address(self, key: str, text: str) -> Address:
        name, address = parseaddr(text.strip())
        try:
            found = Address(display_name=name, addr_spec=address)
        except (HeaderParseError, ValueError, IndexError):
            raise self._wrong(f'"{key}"', f"holds {text[:80]!r}, which is not an e-mail address") from None
        if not found.username or not found.domain or not text.strip().isprintable():
            raise self._wrong(f'"{key}"', f"holds {text[:80]!r}, which is not an e-mail address")
        return found

    def _server_settings(self) -> _smtp.Server:
        security = self.text_setting("security", "auto")
        if security not in _smtp.SECURITY:
            raise self._wrong('"security"', f"must be one of {', '.join(_smtp.SECURITY)}")
        port = self.settings.get("port", {"tls": 465, "none": 25}.get(security, 587))
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65_536:
            raise self._wrong('"port"', "must be a number from 1 to 65535")
        return _smtp.Server(
            host=self.text_setting("host"),
            port=port,
            security="tls" if security == "auto" and port == 465 else security,
            username=self.text_setting("username"),
            password=self.text_setting("password"),
            ca_file=self.text_setting("ca_file"),
            timeout=self.timeout,
            allow_private=self.flag("allow_private", True),
        )


def html(story: Story) -> str:
    """Return the message as HTML; every text in it is escaped by the template."""
    return _TEMPLATES.get_template("incident.html").render(story=story)
