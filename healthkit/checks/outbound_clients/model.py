"""How one HTTP library is watched: where its calls pass, and how to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

Arguments = tuple[Any, ...]
Keywords = Mapping[str, Any]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Client:
    """One method of one class that every call of a library passes through.

    `host` reads the host from the method's arguments, `status` the status code from what it returned, `moved`
    the host that answered in the end where the method follows redirects itself. An exception counts as a
    failure of the host when a class of its MRO is named in `failures` and none in `spared` (the caller's own
    mistakes); names rather than classes, so that no library is imported for them. `carries` and `carried`
    keep a call of one library that goes through another from being counted twice.
    """

    module: str
    owner: str
    method: str
    host: Callable[[Arguments, Keywords], str]
    status: Callable[[Any], int]
    failures: frozenset[str]
    spared: frozenset[str] = frozenset()
    moved: Callable[[Any], str] | None = None
    is_async: bool = False
    carries: bool = False
    carried: bool = False


def status_code(response: Any) -> int:
    """Return the status code of a `requests` or `httpx` response."""
    code: int = response.status_code
    return code


def status(response: Any) -> int:
    """Return the status code of a `urllib3`, `aiohttp` or `http.client` response."""
    code: int = response.status
    return code


def host_of_url(url: str) -> str:
    """Return a URL's `host`, or `host:port` where the port is not the scheme's own; "" where there is none.

    A user and password in the URL are left out.
    """
    parts = url.split("/", 3)
    if len(parts) < 3 or not parts[0].endswith(":"):
        return ""
    return _tidy(parts[0][:-1].lower(), parts[2].rpartition("@")[2])


def host_of(scheme: str | None, host: str, port: int | None) -> str:
    """Return `host`, or `host:port` where the port is not the scheme's own."""
    name = host.strip("[]")
    if port is None or port == _DEFAULT_PORTS.get(scheme or "http"):
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


@lru_cache(maxsize=1024)
def _tidy(scheme: str, authority: str) -> str:
    try:
        parts = urlsplit(f"//{authority}")
        return host_of(scheme, parts.hostname or "", parts.port)
    except ValueError:
        return ""
