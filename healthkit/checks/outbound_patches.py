"""Watching the app's own HTTP calls: one wrapper around one method of each library, which changes no
behaviour.

Each call goes on to the original with the very arguments it came with; what it returns or raises,
cancellation included, goes back untouched. What the libraries said is told to listeners, which are held
weakly.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Protocol

from healthkit.checks.outbound_clients import CLIENTS
from healthkit.checks.outbound_clients.model import Arguments, Client, Keywords
from healthkit.checks.reasons import TIMED_OUT, causes, network_reason
from healthkit.checks.unobserved import UNOBSERVED

NO_ANSWER = 0
CANCELLED = -1  # cancelled, or ended by something that is not of the network: no proof about the host

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Whoever wants to know of calls."""

    def record(self, host: str, status: int, reason: str, latency: float) -> None:
        """Take note of one call: its status code (or `NO_ANSWER`, `CANCELLED`), the reason, the seconds."""


_listeners: tuple[weakref.ref[Listener], ...] = ()
_carrying: ContextVar[bool] = ContextVar("healthkit_carrying", default=False)
_patched: dict[Client, tuple[type, Any]] = {}  # where the wrapper stands, and the original
_lock = threading.RLock()
_MARK = "_healthkit_client"
_TOO_MANY = re.compile(r"too many (\d{3}) error responses")  # urllib3's Retry, once it gave up
_MAX_WRAPPERS = 20


def listen(listener: Listener) -> None:
    """Tell a listener of every call from now on, for as long as it exists; telling twice changes nothing."""
    global _listeners
    with _lock:
        alive = [ref for ref in _listeners if ref() is not None and ref() is not listener]
        _listeners = (*alive, weakref.ref(listener))
        install()


def forget(listener: Listener) -> None:
    """Tell a listener no more; with the last one gone every method is put back as it was."""
    global _listeners
    with _lock:
        _listeners = tuple(ref for ref in _listeners if ref() is not None and ref() is not listener)
        if not _listeners:
            uninstall()


def install() -> None:
    """Watch every library that is imported by now and not watched yet."""
    with _lock:
        for client, owner, original in _imported():
            if not _is_watched(original):
                setattr(owner, client.method, _wrap(original, client))
                _patched[client] = owner, original


def uninstall() -> None:
    """Put every method back.

    Where somebody laid a wrapper over ours, ours stays below it and just passes calls on.
    """
    with _lock:
        for client, (owner, original) in list(_patched.items()):
            if getattr(vars(owner).get(client.method), _MARK, None) is client:
                setattr(owner, client.method, original)
            del _patched[client]


def watched() -> tuple[str, ...]:
    """Return the names of the libraries that are watched."""
    found = {client.module for client, _, method in _imported() if _is_watched(method)}
    return tuple(sorted({module.split(".")[0] for module in found}))


def _imported() -> Iterator[tuple[Client, type, Any]]:
    """Yield each library's class that is there by now, with the method that its calls pass through."""
    for client in CLIENTS:
        owner = getattr(sys.modules.get(client.module), client.owner, None)
        method = vars(owner).get(client.method) if isinstance(owner, type) else None
        if isinstance(owner, type) and method is not None:
            yield client, owner, method


def _is_watched(method: Any) -> bool:
    return any(_MARK in getattr(layer, "__dict__", ()) for layer in _layers(method))


def _layers(method: Any) -> Iterator[Any]:
    for _ in range(_MAX_WRAPPERS):
        if method is None:
            return
        yield method
        method = getattr(method, "__wrapped__", None)


def _wrap(original: Callable[..., Any], client: Client) -> Callable[..., Any]:
    if client.is_async:
        wrapper = _wrap_async(original, client)
    elif client.carries:
        wrapper = _wrap_carrying(original, client)
    else:
        wrapper = _wrap_sync(original, client)
    setattr(wrapper, _MARK, client)
    return wrapper


def _wrap_sync(original: Callable[..., Any], client: Client) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _listeners or UNOBSERVED.get():
            return original(*args, **kwargs)
        started = perf_counter()
        try:
            response = original(*args, **kwargs)
        except BaseException as error:
            _failed(client, args, kwargs, error, perf_counter() - started)
            raise
        _answered(client, args, kwargs, response, perf_counter() - started)
        return response

    return call


def _wrap_carrying(original: Callable[..., Any], client: Client) -> Callable[..., Any]:
    carried = client.carried

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _listeners or UNOBSERVED.get() or (carried and _carrying.get()):
            return original(*args, **kwargs)
        token = _carrying.set(True)
        started = perf_counter()
        try:
            response = original(*args, **kwargs)
        except BaseException as error:
            _failed(client, args, kwargs, error, perf_counter() - started)
            raise
        finally:
            _carrying.reset(token)
        _answered(client, args, kwargs, response, perf_counter() - started)
        return response

    return call


def _wrap_async(original: Callable[..., Any], client: Client) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not _listeners or UNOBSERVED.get():
            return await original(*args, **kwargs)
        started = perf_counter()
        try:
            response = await original(*args, **kwargs)
        except BaseException as error:
            _failed(client, args, kwargs, error, perf_counter() - started)
            raise
        _answered(client, args, kwargs, response, perf_counter() - started)
        return response

    return call


def _answered(client: Client, args: Arguments, kwargs: Keywords, response: Any, latency: float) -> None:
    try:
        host = client.host(args, kwargs) if client.moved is None else client.moved(response)
        _tell(host, client.status(response), "", latency)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in watching must never reach the app
        _trouble(client, error)


def _failed(client: Client, args: Arguments, kwargs: Keywords, error: BaseException, latency: float) -> None:
    try:
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & client.spared:
            return
        status, reason = _verdict(error) if names & client.failures else (CANCELLED, "")
        _tell(client.host(args, kwargs), status, reason, latency)
    except Exception as trouble:  # noqa: BLE001 - whatever goes wrong in watching must never reach the app
        _trouble(client, trouble)


def _tell(host: str, status: int, reason: str, latency: float) -> None:
    for ref in _listeners:
        listener = ref()
        if listener is not None and host:
            listener.record(host, status, reason, latency)


def _verdict(error: BaseException) -> tuple[int, str]:
    """Return the status code an exception stands for, or `NO_ANSWER` and why, never in the error's words."""
    code = getattr(error, "status", None)  # aiohttp's raise_for_status
    if isinstance(code, int) and code >= 100:
        return code, ""
    if given_up := _TOO_MANY.search(str(error)):
        return int(given_up[1]), ""
    reason = network_reason(error)
    if reason is None and any("Timeout" in type(cause).__name__ for cause in causes(error)):
        reason = TIMED_OUT
    return NO_ANSWER, reason or type(error).__name__


def _trouble(client: Client, error: Exception) -> None:
    log.debug("a call of %s could not be read: %s", client.module, type(error).__name__)


def _reset_after_fork() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
