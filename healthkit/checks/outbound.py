"""`OutboundCalls`: which third parties fail, told by the app's own real calls; no probe, no extra request."""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal, Self, get_args

from healthkit.checks import outbound_patches
from healthkit.checks.outbound_clients.model import host_of_url
from healthkit.checks.outbound_judge import Limits, judge, limits_of
from healthkit.checks.outbound_patches import CANCELLED, NO_ANSWER
from healthkit.checks.outbound_window import ERROR, GIVEN_UP, OK, THROTTLED, HostWindow
from healthkit.checks.unobserved import unobserved
from healthkit.durations import Duration, seconds
from healthkit.errors import ConfigurationError
from healthkit.model import Result

__all__ = ["OutboundCalls", "unobserved"]

MAX_HOSTS = 99  # and the whole: a check tells a hundred parts at most
VARYING = "partsVary"  # tells readers of the document that a part that is missing is no news
TOO_MANY_REQUESTS = 429

Throttling = Literal["warn", "error", "ignore"]

_alive: weakref.WeakSet[OutboundCalls] = weakref.WeakSet()


class OutboundCalls:
    """Error rate and latency per host of the calls this process makes with requests, urllib3, httpx, httpx2,
    aiohttp and urllib.request.

    A host fails when at least `fail` (a share) of its calls within `window` failed, warns from `warn` on, and
    says nothing before `min_calls`. No answer and the statuses in `errors` count as failed; throttling (429)
    can only warn, unless `throttled` says "error" or "ignore". A fresh outage shows after a tenth of the
    window; a host is well again as soon as its newest calls all succeed, more of them than chance would give.
    `slow` and `too_slow` (durations of the 95th percentile until the answer's headers) warn and fail. `hosts`
    names the only ones to watch, `exclude` those to leave out, with `*` as in `*.example.com`; `per_host`
    gives a host limits of its own, such as `{"api.stripe.com": {"fail": 0.2}}`. Hosts not called for
    `forget_after` are dropped, and beyond `max_hosts` the one called longest ago is.

    Counts begin when it is made, and when a library is imported later, at the next run. Each process sees its
    own calls. Not critical by default: a third party's failure makes the whole `warn`. Raises
    `ConfigurationError`.
    """

    measurement = "errorRate"
    component_type = "component"
    critical = False

    def __init__(
        self,
        *,
        window: Duration = "5m",
        min_calls: int = 5,
        warn: float | None = 0.1,
        fail: float | None = 0.5,
        slow: Duration | None = None,
        too_slow: Duration | None = None,
        errors: Collection[int] = range(500, 600),
        throttled: Throttling = "warn",
        hosts: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        per_host: Mapping[str, Mapping[str, Any]] | None = None,
        forget_after: Duration = "1h",
        max_hosts: int = MAX_HOSTS,
        name: str = "outbound",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        what = f"OutboundCalls {name!r}"
        self._window = _positive(window, f"{what}: window")
        self._forget_after = max(self._window, seconds(forget_after, what=f"{what}: forget_after"))
        given = {"min_calls": min_calls, "warn": warn, "fail": fail, "slow": slow, "too_slow": too_slow}
        base = limits_of(given, what)
        own = {host: limits_of(limits, f"{what}: {host}", base) for host, limits in (per_host or {}).items()}
        self._limits = _limits_by_host(base, own)
        self._wanted = _filter(hosts, (*exclude, *_own_hosts()), what)
        self._errors = errors
        self._throttled = _throttling(throttled, what)
        self._max_hosts = _count(max_hosts, what)
        self._clock = clock
        self._forget()
        _alive.add(self)
        self.install()

    def __repr__(self) -> str:
        return f"OutboundCalls({self.name!r}, hosts={len(self._hosts)})"

    def install(self) -> None:
        """Begin to watch; it has begun when the object is made. Doing it again changes nothing."""
        outbound_patches.listen(self)

    def uninstall(self) -> None:
        """Stop watching; the last one to stop puts every library back as it was."""
        outbound_patches.forget(self)

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    def record(self, host: str, status: int, reason: str, latency: float) -> None:
        """Count one call: its status (0: no answer, -1: cancelled), the reason, the seconds it took."""
        if self._wanted is not None and not self._wanted(host):
            return
        kind = self._kind(status)
        answered = latency if status > 0 else None
        now = self._clock()
        with self._lock:
            seen = self._hosts.get(host)
            if seen is None:
                seen = self._admit(host)
            self._hosts.move_to_end(host)
            seen.add(now, kind, answered, reason or (f"status {status}" if kind != OK else ""))

    def __call__(self) -> list[Result]:
        """Return the whole, and a result for each host, the worst first; a hundred at most."""
        outbound_patches.install()  # libraries imported since
        now = self._clock()
        with self._lock:
            self._drop_silent(now)
            hosts = list(self._hosts.items())
        seen = [self._judge(host, one, now) for host, one in hosts]
        found = sorted(seen, key=lambda result: (-result.status, result.component_id))[:MAX_HOSTS]
        details = {"hosts": len(seen), "watching": list(outbound_patches.watched()), VARYING: True}
        return [Result(component_id="", details=details), *found]

    def _judge(self, host: str, seen: HostWindow, now: float) -> Result:
        with self._lock:  # for each host anew: no call of the app waits for all of them
            return judge(host, seen, self._limits(host), self._window, now)

    def _kind(self, status: int) -> int:
        if status == CANCELLED:
            return GIVEN_UP
        if status == TOO_MANY_REQUESTS:
            return self._throttled
        return ERROR if status == NO_ANSWER or status in self._errors else OK

    def _admit(self, host: str) -> HostWindow:
        while len(self._hosts) >= self._max_hosts:
            self._hosts.popitem(last=False)
        seen = self._hosts[host] = HostWindow(self._window)
        return seen

    def _drop_silent(self, now: float) -> None:
        silent = [host for host, seen in self._hosts.items() if now - seen.last_at > self._forget_after]
        for host in silent:
            del self._hosts[host]

    def _forget(self) -> None:
        """Start from nothing: at birth, and in a forked child, whose calls are its own."""
        self._lock = threading.RLock()  # reentrant, because a signal's handler may make a call too
        self._hosts: OrderedDict[str, HostWindow] = OrderedDict()


def _limits_by_host(base: Limits, own: Mapping[str, Limits]) -> Callable[[str], Limits]:
    patterns = [(_pattern([host]), limits) for host, limits in own.items()]

    def limits(host: str) -> Limits:
        exact = own.get(host.lower())
        return exact or next((limits for pattern, limits in patterns if pattern.fullmatch(host)), base)

    return limits


def _filter(hosts: Iterable[str] | None, exclude: Iterable[str], what: str) -> Callable[[str], bool] | None:
    if isinstance(hosts, str) or isinstance(exclude, str):
        raise ConfigurationError(f'{what}: hosts and exclude are sets of names, such as {{"api.stripe.com"}}')
    barred = list(exclude)
    if hosts is None and not barred:
        return None
    wanted, unwanted = None if hosts is None else _pattern(hosts), _pattern(barred)

    @lru_cache(maxsize=1024)
    def is_wanted(host: str) -> bool:
        return not unwanted.fullmatch(host) and (wanted is None or wanted.fullmatch(host) is not None)

    return is_wanted


def _pattern(hosts: Iterable[str]) -> re.Pattern[str]:
    """Return what matches any of the hosts; one given without a port matches it with any port."""
    each = [re.escape(host).replace(r"\*", ".*") + ("" if ":" in host else r"(?::\d+)?") for host in hosts]
    return re.compile("|".join(each) or r"(?!)", re.IGNORECASE)


def _own_hosts() -> tuple[str, ...]:
    """Return the host that gets this process's heartbeats: calls to it say nothing of the app."""
    host = host_of_url(os.environ.get("HEALTHKIT_PING_URL", ""))
    return (host,) if host else ()


def _throttling(throttled: str, what: str) -> int:
    if throttled not in get_args(Throttling):
        raise ConfigurationError(f'{what}: throttled {throttled!r:.100} must be "warn", "error" or "ignore"')
    return {"warn": THROTTLED, "error": ERROR}.get(throttled, OK)


def _positive(value: Duration, what: str) -> float:
    result = seconds(value, what=what)
    if result == 0:
        raise ConfigurationError(f'{what}: 0 leaves no calls to judge; give seconds, or text as "5m"')
    return result


def _count(value: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_HOSTS:
        raise ConfigurationError(f"{what}: max_hosts {value!r:.100} is no whole number from 1 to {MAX_HOSTS}")
    return value


def _reset_after_fork() -> None:
    for calls in list(_alive):
        calls._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
