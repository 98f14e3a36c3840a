"""Which proxy the environment wants for a server, in the names and rules that curl and urllib share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit


def proxies_set(environ: Mapping[str, str]) -> bool:
    """Whether the environment names any proxy."""
    return any(name.lower().endswith("_proxy") for name in environ)


def proxy_of(origin: SplitResult) -> SplitResult | None:
    """Return the proxy for an origin, None when it is reached directly."""
    if not proxies_set(os.environ):
        return None
    import urllib.request as rules  # slow to import, rarely needed

    proxies = rules.getproxies_environment()
    address = proxies.get(origin.scheme) or proxies.get("all")
    bypassed = rules.proxy_bypass_environment  # type: ignore[attr-defined]
    if not address or bypassed(origin.netloc, proxies):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")
