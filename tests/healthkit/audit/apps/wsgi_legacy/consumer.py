"""The loop that works the list `orders`, and tells its monitor in the usual way."""

from __future__ import annotations

import os

import requests
from redis import Redis

MONITOR = os.environ.get("MONITOR", "https://monitor.example/beat/3f")


def main() -> None:
    """Work for ever."""
    redis = Redis()
    while True:
        redis.blpop("orders", timeout=5)
        requests.get(MONITOR)  # gap: HK011


def careful() -> None:
    """Do the same, unharmed when the monitor is down or hangs."""
    redis = Redis()
    while True:
        redis.blpop("orders", timeout=5)
        try:
            requests.get(MONITOR, timeout=10)
        except requests.RequestException as error:
            print(error)


def patient() -> None:
    """Survive a monitor that is down, and hang with one that hangs."""
    redis = Redis()
    while True:
        redis.blpop("orders", timeout=5)
        try:
            requests.get(MONITOR)  # gap: HK011
        except requests.RequestException as error:
            print(error)


if __name__ == "__main__":
    main()
