"""A check on another company's API by asking it: status, latency and, where wanted, the body.

health.add(ThirdPartyAPI("stripe", "https://api.stripe.com/healthcheck", expect_body="ok"),
critical=False)
health.add(ThirdPartyAPI("twilio", client.balance.fetch), critical=False)
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from healthkit.checks.http_call import Call, Said, asked, checked_call
from healthkit.checks.http_exchange import Answer, Deadline, OwnSession, exchange
from healthkit.checks.reasons import LOST, TIMED_OUT, TLS, network_reason, reason_in_text
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result

BodyRule = str | re.Pattern[str] | Callable[[Any], bool]

MAX_BODY = 1_048_576  # bytes read of an answer
FINE = range(200, 400)
OWN_SHARE = 0.9  # of the timeout, so that this check's own, clearer reason comes before the engine's


class ThirdPartyAPI:
    """Asks a third party's API and judges the answer.

    Fails for a status outside `expect_status` (a number, several, or a range; 200 to 399 by default), an
    answer slower than `fail_latency`, a body that breaks `expect_body`, and no answer at all; warns from
    `warn_latency` on. `expect_body` is text that must be in the body, a compiled pattern that must be found
    in it, or a function that gets the parsed JSON (the text where it is none) and returns whether it is fine.
    At most 1 MB of a body is read; `max_redirects` are followed, and `headers` and `auth` go to no other
    host. With a `session` of yours it is used as it is; without one, environment proxies and .netrc are not
    used. The value is the time until the whole answer was here, in milliseconds.

    In place of a URL there may be a call without arguments, of the third party's own client library: what it
    raises, an answer's `status_code` and the time it takes are judged, False fails, and `expect_body` gets
    what it returned. It ends by its own limits alone.
    """

    measurement = "responseTime"
    component_type = "component"

    def __init__(
        self, name: str, url: str | Call, *, method: str = "GET", expect_status: int | Collection[int] = FINE,
        warn_latency: Duration | None = None, fail_latency: Duration | None = None,
        expect_body: BodyRule | None = None, headers: Mapping[str, str] | None = None, auth: Any = None,
        session: requests.Session | None = None, timeout: Duration = 5.0, max_redirects: int = 5,
    ) -> None:  # fmt: skip
        self.name = name
        self.timeout = seconds(timeout, what=f"ThirdPartyAPI {name!r} timeout")
        self._call = checked_call(url, name) if callable(url) else None
        self._url = "" if callable(url) else _checked_url(url, name)
        self._method = method.upper()
        self._expected = _statuses(expect_status, name)
        self._rule = _checked_rule(expect_body, name)
        self._warn = None if warn_latency is None else seconds(warn_latency, what="warn_latency")
        self._fail = None if fail_latency is None else seconds(fail_latency, what="fail_latency")
        if self.timeout <= 0:
            raise ConfigurationError(f"ThirdPartyAPI {name!r} timeout: {timeout!r} leaves no time")
        if self._warn is not None and self._fail is not None and self._warn > self._fail:
            raise ConfigurationError(f"ThirdPartyAPI {name!r}: warn_latency is above fail_latency; swap them")
        self._headers, self._auth = dict(headers or {}), auth
        self._given, self._max_redirects = session, max_redirects
        self._kept = threading.local()
        self._deadline = Deadline(0)
        self.identity = f"http:{urlsplit(self._url).hostname}" if self._url else None

    def __call__(self) -> Result:
        """Ask once; raises `Warn` or `Fail` with the class of reason first."""
        reason = None
        said: Said | None = None
        self._deadline = Deadline(self.timeout * OWN_SHARE)
        try:
            if self._call is not None:
                said = asked(self._call)
                answer = said.answer
            else:
                answer = exchange(
                    self._session(), self._method, self._url, headers=self._headers, auth=self._auth,
                    deadline=self._deadline, max_body=MAX_BODY, clock=time.monotonic,
                )  # fmt: skip
        except (requests.RequestException, OSError) as error:
            reason = http_reason(error)
            if reason is None:
                raise
        if reason is not None:
            raise Fail(reason)
        return self._judge(answer, said)

    def within(self, limit: float) -> None:
        """Take no longer than `limit` seconds, the timeout that it was registered with."""
        self.timeout = limit

    def abort(self) -> None:
        """End a run that hangs, from any thread."""
        self._deadline.pass_over()

    def close(self) -> None:
        """Close the connection kept by this thread's session, unless the session is yours."""
        session = getattr(self._kept, "session", None)
        if session is not None:
            session.close()
            self._kept.session = None

    def _judge(self, answer: Answer, said: Said | None) -> Result:
        details = {} if said is not None and said.status is None else {"status_code": answer.status}
        facts: dict[str, Any] = {"value": round(answer.took * 1000, 3), "unit": "ms", **details}
        if said is not None and said.value is False:
            raise Fail("the call returned False", **facts)
        if answer.status not in self._expected:
            raise Fail(f"status {answer.status}: expected {_range(self._expected)}", **facts)
        if self._rule is not None:
            broken = _broken(self._rule, answer, said)
            if broken:
                raise Fail(f"body: {broken}", **facts)
        took = humanize(answer.took)
        if self._fail is not None and answer.took > self._fail:
            raise Fail(f"latency: the answer took {took} (limit {humanize(self._fail)})", **facts)
        if self._warn is not None and answer.took > self._warn:
            raise Warn(f"latency: the answer took {took} (warning from {humanize(self._warn)})", **facts)
        return Result(facts["value"], "ms", details=details)

    def _session(self) -> requests.Session:
        """Return the given session, or one of this thread's own: requests' are not safe to share."""
        if self._given is not None:
            return self._given
        session: requests.Session | None = getattr(self._kept, "session", None)
        if session is None:
            session = OwnSession(max_redirects=self._max_redirects, private=self._headers)
            self._kept.session = session
        return session


def http_reason(error: Exception) -> str | None:
    """Return why no answer came, without a word of the error's text; None when nothing known says it."""
    if isinstance(error, requests.exceptions.SSLError):
        return TLS
    if isinstance(error, requests.exceptions.Timeout):
        return TIMED_OUT
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return "redirects: the answer leads from address to address without end"
    if isinstance(error, requests.exceptions.ProxyError):
        return "unreachable: the proxy refuses or does not answer"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "body: the answer cannot be decoded"
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
        return "redirects: the answer leads to an address that is none"
    is_lost = isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError)
    return network_reason(error) or reason_in_text(error) or (LOST if is_lost else None)


def _broken(rule: BodyRule, answer: Answer, said: Said | None) -> str:
    """Return what is wrong with a body, empty if nothing; the body itself is never quoted."""
    if isinstance(rule, str):
        return "" if rule in answer.text else "the expected text is not in it"
    if isinstance(rule, re.Pattern):
        return "" if rule.search(answer.text) else "the expected pattern is not found in it"
    parsed: Any = answer.text if said is None else said.value
    with contextlib.suppress(ValueError, RecursionError):
        parsed = json.loads(answer.text) if said is None else parsed
    try:
        return "" if rule(parsed) else "the rule for it says no"
    except (Warn, Fail):
        raise
    except Exception as error:  # noqa: BLE001 - a user's function, meeting a body it was not made for
        return f"the rule for it failed with {type(error).__name__}"


def _checked_url(url: str, name: str) -> str:
    """Return the URL. Raises `ConfigurationError`, which never quotes it: it may hold a key."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, TypeError, AttributeError):
        fine = False
    if not fine:
        raise ConfigurationError(f"ThirdPartyAPI {name!r}: url is not one such as https://api.example/health")
    return url


def _statuses(expected: int | Collection[int], name: str) -> Collection[int]:
    wanted = (expected,) if isinstance(expected, int) else expected
    if not wanted or not all(isinstance(code, int) and 100 <= code <= 999 for code in wanted):
        raise ConfigurationError(
            f"ThirdPartyAPI {name!r}: expect_status {expected!r:.100} is not a status, several, or a range; "
            "write 204, {200, 404} or range(200, 300)"
        )
    return wanted


def _checked_rule(rule: Any, name: str) -> BodyRule | None:
    if rule is not None and not isinstance(rule, str | re.Pattern) and not callable(rule):
        raise ConfigurationError(
            f"ThirdPartyAPI {name!r}: expect_body is a {type(rule).__name__}; "
            "give text, a compiled pattern, or a function"
        )
    if isinstance(rule, re.Pattern) and isinstance(rule.pattern, bytes):
        raise ConfigurationError(f"ThirdPartyAPI {name!r}: expect_body is of bytes; compile it from text")
    return rule  # type: ignore[no-any-return]


def _range(expected: Collection[int]) -> str:
    codes = sorted(expected)
    if len(codes) > 2 and codes[-1] - codes[0] == len(codes) - 1:
        return f"{codes[0]} to {codes[-1]}"
    return " or ".join(map(str, codes[:10]))
