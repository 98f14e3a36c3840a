"""A small but real shop: Flask, SQLAlchemy, Redis, an RQ worker, a nightly job and a payment provider.

It stands for the reader's own app. `health.py` is the part to copy.
"""
