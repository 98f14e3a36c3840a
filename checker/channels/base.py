"""What every channel shares: a notifier is a payload; here it is sent, timed out, judged and guarded."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from checker.channels.posts import OwnPosts, Posts
from checker.http import ErrorKind, Http, HttpError, Request, Response
from checker.http.target import parse
from checker.model import ChannelSpec, Notification
from checker.rules.text import clean
from healthkit.durations import seconds
from healthkit.errors import ConfigurationError

TIMEOUT = 10.0
MAX_RETRY_AFTER = 3600.0  # seconds; who asks for more is asked again all the same
MAX_ANSWER = 4_096  # bytes of the far side's answer that are read
MAX_SAID = 160  # characters of it that are told
# The far side is busy, or not up: the same message may well be taken later.
TEMPORARY = frozenset({408, 421, 423, 425, 429, 302, 303, 307})

Clock = Callable[[], float]


class ChannelError(Exception):
    """A message was not taken. `reason` is for people, and holds no secret.

    `permanent`: the same message will never be taken, so that trying again is of no use.
    `retry_after`: seconds the far side asked us to wait.
    """

    def __init__(self, reason: str, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a far side may be told: `at_once` in flight; after a `burst`, one each `every` seconds."""

    at_once: int = 32
    every: float = 0.0
    burst: int = 1


class Channel(ABC):
    """Somewhere to tell. `required` and `optional` name the settings of its kind, `pace` its far side's."""

    pace: ClassVar[Pace] = Pace()
    required: ClassVar[frozenset[str]] = frozenset()
    optional: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        self.name = spec.name
        self.kind = spec.kind
        self.settings = spec.settings
        self.posts: Posts = OwnPosts()
        self._http = http
        self._clock = clock
        missing = sorted(self.required - spec.settings.keys())
        if missing:
            raise self._wrong(", ".join(f'"{key}"' for key in missing), "is missing")
        self.timeout = seconds(
            spec.settings.get("timeout", TIMEOUT), what=f'channel "{spec.name}": "timeout"'
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"  # settings hold secrets

    @abstractmethod
    async def send(self, notification: Notification, *, dedup: str) -> None:
        """Tell; raise `ChannelError`. A repeat carries the same `dedup`, so that the far side can drop it."""

    def text_setting(self, key: str, default: str = "") -> str:
        """Return a setting that must be text."""
        value = self.settings.get(key, default)
        if not isinstance(value, str) or (key in self.required and not value.strip()):
            raise self._wrong(f'"{key}"', "must be text, and not empty")
        return value.strip()

    def flag(self, key: str, default: bool) -> bool:
        """Return a setting that must be true or false."""
        value = self.settings.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(f'"{key}"', "must be true or false")
        return value

    def _wrong(self, what: str, why: str) -> ConfigurationError:
        return ConfigurationError(f'channel "{self.name}" ({self.kind}): {what} {why}')


class HttpChannel(Channel):
    """A channel that is a POST of JSON to a URL.

    Cloud metadata addresses are never posted to; private and loopback ones are, unless
    `allow_private = false`: a receiver on the same machine or network is an ordinary thing to configure.
    """

    required = frozenset({"url"})
    optional = frozenset({"timeout", "allow_private"})
    default_url: ClassVar[str] = ""

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self.url = self.where()
        self.allow_private = self.flag("allow_private", True)
        self.secrets: tuple[str, ...] = (self.url,)  # never shown, whatever the far side echoes
        try:
            self.place = parse(self.url).place
        except HttpError as error:
            raise self._wrong('"url"', f"is not a URL to post to: {error.reason}") from None

    def where(self) -> str:
        """Return the URL to post to."""
        return self.text_setting("url", self.default_url)

    @abstractmethod
    def payload(self, notification: Notification) -> Mapping[str, Any]:
        """Return the JSON object that tells it."""

    def body(self, notification: Notification) -> bytes:
        """Return what is posted."""
        return encode(self.payload(notification))

    def headers(self, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - for those that sign it
        """Return further request headers for this body."""
        return {}

    async def send(self, notification: Notification, *, dedup: str) -> None:
        await self.post(self.url, self.body(notification), dedup=dedup)

    async def post(self, url: str, body: bytes, *, dedup: str, method: str = "POST") -> Response:
        """Send `body`, and return the answer of a far side that took it; raise `ChannelError`."""
        request = Request(
            url,
            method=method,
            headers={**delivery_headers(dedup), **self.headers(body)},
            body=body,
            timeout=self.timeout,
            max_bytes=MAX_ANSWER,
            max_redirects=0,
            allow_private=self.allow_private,
        )
        try:
            response = await self._http.request(request)
        except HttpError as error:
            raise ChannelError(error.reason, permanent=error.kind is ErrorKind.ADDRESS) from None
        self.judge(response)
        return response

    def judge(self, response: Response) -> None:
        """Return when the message was taken; raise `ChannelError` when not."""
        status = response.status
        if 200 <= status < 300:
            return
        said = self.without_secrets(" ".join(response.body.decode("utf-8", "replace").split()))
        said = clean(said, MAX_SAID)
        reason = f"{self.place} answered {status}" + (f": {said}" if said else "")
        if status in (301, 308):
            raise ChannelError(f"{reason} (it has moved: set the url to where it is now)", permanent=True)
        temporary = status >= 500 or status in TEMPORARY
        raise ChannelError(reason, not temporary, retry_after(response, self._clock()) if temporary else None)

    def without_secrets(self, text: str) -> str:
        """Return what a far side said without the secrets it may have echoed."""
        for secret in self.secrets:
            text = text.replace(secret, "***") if secret else text
        return text


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return compact JSON; a lone surrogate must not lose an alert."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def answer_json(response: Response) -> Mapping[str, Any]:
    """Return the JSON object of an answer, an empty one where it is something else."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def delivery_headers(dedup: str) -> dict[str, str]:
    """Return the headers by which a receiver knows a repeat."""
    key = re.sub(r"[^!-~]", "-", dedup)[:255]
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": key,
        "X-Healthkit-Delivery": key,
    }


def signature_headers(secret: str, body: bytes, now: float) -> dict[str, str]:
    """Return headers that prove who sent `body` and when: HMAC-SHA256 over `timestamp + "." + body`."""
    timestamp = str(int(now))
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Healthkit-Timestamp": timestamp, "X-Healthkit-Signature": f"sha256={digest}"}


def retry_after(response: Response, now: float) -> float | None:
    """Return the seconds the far side asks to wait: in `Retry-After` (seconds or a date), or in its body."""
    text = response.headers.get("retry-after", "").strip()
    wait = _number(text)
    if wait is None and text:
        try:
            wait = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            wait = None
    if wait is None:
        wait = _from_body(response)
    return None if wait is None else min(max(0.0, wait), MAX_RETRY_AFTER)


def _from_body(response: Response) -> float | None:
    root = answer_json(response)
    inner = root.get("parameters")
    value = root.get("retry_after", inner.get("retry_after") if isinstance(inner, dict) else None)
    return _number(str(value)) if isinstance(value, int | float) else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
