"""What a `Health` is told at its birth, checked: every mistake is told there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from healthkit.bounds import MAX_TEXT, clean
from healthkit.durations import seconds
from healthkit.errors import ConfigurationError

if TYPE_CHECKING:
    from healthkit.announcing import Announcement
    from healthkit.watching import Watch


def service_name(value: Any) -> str:
    """Return the name of a service. Raises `ConfigurationError`."""
    found = label("" if value is None else value, "service") or ""
    if not found.strip():
        raise ConfigurationError('service: give the service a name, such as Health("shop")')
    return found


def label(value: Any, what: str) -> str | None:
    """Return text cut to size, or None where none was given. Raises `ConfigurationError`."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{what}: {value!r:.200} must be text")
    return clean(value, MAX_TEXT)


def token(value: Any) -> bytes | None:
    """Return a secret as bytes to compare with. Raises `ConfigurationError`, without the secret."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(
            "details_token: empty, or not text; give a secret, or leave it out to show details to everyone"
        )
    return value.strip().encode()


def watch(
    service: str, within: Any, on_unwatched: Callable[..., Any] | None, on_watched: Callable[..., Any] | None
) -> Watch | None:
    """Return what tells when nobody watches, or None where it is not wanted. Raises `ConfigurationError`."""
    if within is None:
        if on_unwatched or on_watched:
            raise ConfigurationError('on_unwatched: say after how long, such as watch_within="5m"')
        return None
    from healthkit.watching import Watch

    limit = seconds(within, what="watch_within")
    if limit == 0:
        raise ConfigurationError('watch_within: 0 is no time at all; give seconds, or text as "5m"')
    return Watch(service, limit, on_unwatched, on_watched)


def announcement(service: str, announce: str | None, url: str | None) -> Announcement | None:
    """Return what tells a checker where this service is, or None where no checker is named.

    Raises `ConfigurationError`.
    """
    if announce is None or not announce.strip():
        return None
    if url is None or not url.strip():
        raise ConfigurationError('announce: say where, too, such as url="https://shop.example/health"')
    from healthkit.announcing import Announcement

    return Announcement(service, announce.strip(), url.strip())
