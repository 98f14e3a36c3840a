"""The shop's client of the payment provider."""

from __future__ import annotations

import requests

from examples.shop import settings


class PaymentError(Exception):
    """The provider did not take the money."""


def charge(amount: str, customer: str) -> str:
    """Charge a customer and return the provider's reference; raises `PaymentError` when it does not."""
    try:
        answer = requests.post(
            f"{settings.payments_url()}/v1/charges", json={"amount": amount, "customer": customer}, timeout=5
        )
        answer.raise_for_status()
    except requests.RequestException as error:
        raise PaymentError(type(error).__name__) from error
    return str(answer.json()["id"])
