"""What the shop's worker does, and whom it asks for that."""

from __future__ import annotations

import requests

STRIPE = "https://api.stripe.com"
CHARGES = f"{STRIPE}/v1/charges"
STOCK = "http://stock.internal:8080/v1"


def charge(amount: str) -> str:
    """Take the money."""
    answer = requests.post(CHARGES, data={"amount": amount}, timeout=10)  # gap: HK006
    return str(answer.json()["id"])


def refund(charge_id: str) -> None:
    """Give it back, at the same provider."""
    requests.post(f"{STRIPE}/v1/refunds", data={"charge": charge_id}, timeout=10)


def send_confirmation(customer: str) -> None:
    """Write to the customer."""
    requests.post("https://api.postmarkapp.com/email", json={"To": customer}, timeout=10)  # gap: HK006


def reserve(product: str) -> None:
    """Ask a service of one's own: no third party."""
    requests.post(f"{STOCK}/reserve/{product}", timeout=5)


def notify(host: str) -> None:
    """Ask somebody whose name only the running app knows."""
    requests.get(f"https://{host}/hook", timeout=5)
