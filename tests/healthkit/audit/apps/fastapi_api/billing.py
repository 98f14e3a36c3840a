"""Takes money through a vendor's client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import stripe  # type: ignore[import-not-found, unused-ignore]  # gap: HK006
except ImportError:
    stripe = None

if TYPE_CHECKING:
    import twilio.rest  # type: ignore[import-not-found, unused-ignore]  # noqa: F401


async def pay(amount: str) -> Any:
    """Take the money."""
    return await stripe.Charge.create_async(amount=amount)
