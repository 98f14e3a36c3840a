"""What the RQ worker does for the shop."""

from __future__ import annotations

import os
import time
import uuid
from email.message import EmailMessage

from sqlalchemy.orm import Session

from examples.shop import models, settings


def send_confirmation(order_id: int) -> None:
    """Write the customer an e-mail and note that it went out."""
    with Session(settings.engine()) as session, session.begin():
        order = session.get_one(models.Order, order_id)
        post(order.customer, f"Your order {order.id}", "Thank you. It is on its way.")
        order.confirmed_at = models.now()


def send_newsletter(customer: str, seconds: float = 0.0) -> None:
    """Write one customer the newsletter; a mail server takes its time, and `seconds` is that time."""
    time.sleep(seconds)
    post(customer, "New teas", "They have arrived.")


def post(to: str, subject: str, text: str) -> None:
    """Put one e-mail into the mail folder, whole or not at all."""
    message = EmailMessage()
    message["To"], message["Subject"] = to, subject
    message.set_content(text)
    folder = settings.mail_folder()
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f".{uuid.uuid4()}.part"
    written.write_bytes(bytes(message))
    os.replace(written, folder / f"{written.stem[1:]}.eml")  # noqa: PTH105 - atomic, and says so
