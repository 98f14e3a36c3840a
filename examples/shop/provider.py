"""A payment provider to run beside the shop: what is not the shop's to run, played by a local server.

`python -m examples.shop.provider PORT`. `POST /outage` makes every answer a 500; `DELETE /outage` ends that.
"""

from __future__ import annotations

import json
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Provider(BaseHTTPRequestHandler):
    """Takes charges and tells its status, unless there is an outage."""

    protocol_version = "HTTP/1.1"
    outage = False

    def do_GET(self) -> None:
        """Tell the status."""
        self._answer({"status": "operational"})

    def do_POST(self) -> None:
        """Take a charge, or begin the outage."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/outage":
            Provider.outage = True
            return self._send(200, {"outage": True})
        return self._answer({"id": f"ch_{uuid.uuid4().hex[:12]}", "status": "succeeded"})

    def do_DELETE(self) -> None:
        """End the outage."""
        Provider.outage = False
        self._send(200, {"outage": False})

    def _answer(self, body: dict[str, object]) -> None:
        if Provider.outage:
            self._send(500, {"error": "internal error"})
        else:
            self._send(200, body)

    def _send(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Provider).serve_forever()
