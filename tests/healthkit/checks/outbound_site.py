"""What `OutboundCalls` says: of each host, of the only one, of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healthkit.checks.outbound import OutboundCalls
from healthkit.model import Result


def hosts(calls: OutboundCalls) -> list[Result]:
    """Return what it says of each host."""
    return calls()[1:]


def only(calls: OutboundCalls) -> Result:
    """Return what it says of the one host there is."""
    [result] = hosts(calls)
    return result


def whole(calls: OutboundCalls) -> Mapping[str, Any]:
    """Return what it says of all."""
    return calls()[0].details
