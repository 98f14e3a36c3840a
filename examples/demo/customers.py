"""People who buy tea all day: `python -m examples.demo.customers SHOP_URL`."""

from __future__ import annotations

import itertools
import sys
import time

import requests


def main(shop: str) -> None:
    """Order something every two seconds, whether it works or not."""
    for number in itertools.count(1):
        try:
            order = {"product": 1 + number % 4, "customer": f"customer-{number}@example.org"}
            answer = requests.post(f"{shop}/orders", data=order, timeout=5)
            print(number, answer.status_code, flush=True)
        except requests.RequestException as error:
            print(number, type(error).__name__, flush=True)
        time.sleep(2)


if __name__ == "__main__":
    main(sys.argv[1])
