"""The demo's two small servers: one takes `healthkit demo break|heal NAME`, one the checker's webhook."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from examples.demo.faults import Fault


class Handler(BaseHTTPRequestHandler):
    """A quiet request handler with one way to answer."""

    def body(self) -> bytes:
        """Read the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, text: str) -> None:
        """Send plain text."""
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Stay quiet: the terminal is for alerts."""


def serve(handler: type[Handler]) -> ThreadingHTTPServer:
    """Serve on a free port of 127.0.0.1 from a daemon thread."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def address(server: ThreadingHTTPServer) -> str:
    """Return a server's base URL."""
    return f"http://127.0.0.1:{server.server_port}"


def webhook(tell: Callable[[Mapping[str, Any]], None]) -> ThreadingHTTPServer:
    """Serve the URL that the checker's webhook channel posts to."""

    class Webhook(Handler):
        def do_POST(self) -> None:
            tell(json.loads(self.body()))
            self.answer(200, "ok\n")

    return serve(Webhook)


class Control:
    """Takes break and heal over HTTP from whoever can read the state file: the user who started the demo."""

    def __init__(self, faults: Mapping[str, Fault], said: Callable[[str], None]) -> None:
        self.faults, self.said = faults, said
        self.token = secrets.token_urlsafe(16)
        self.state = state_path()
        self._lock = threading.Lock()
        self._server = serve(self._handler())

    def announce(self) -> None:
        """Write the state file; whoever finds an older demo's file replaces it."""
        content = {"control": address(self._server), "token": self.token, "pid": os.getpid()}
        part = self.state.with_suffix(f".{os.getpid()}")
        with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
            json.dump(content, file)
        part.replace(self.state)

    def close(self) -> None:
        """Stop serving and take the state file away, if it is still ours."""
        self._server.shutdown()
        self._server.server_close()
        if self.state.is_file() and self.token in self.state.read_text():
            self.state.unlink()

    def act(self, verb: str, name: str) -> str:
        """Cause or end one fault and say what was done."""
        with self._lock:
            fault = self.faults[name]
            (fault.break_ if verb == "break" else fault.heal)()
        text = f"broken: {name}: {fault.what}" if verb == "break" else f"healed: {name}"
        self.said(text)
        return text

    def _handler(self) -> type[Handler]:
        control = self

        class ControlHandler(Handler):
            def do_GET(self) -> None:
                lines = (f"{fault.name:<12} {fault.what}\n" for fault in control.faults.values())
                self.answer(200, "".join(lines))

            def do_POST(self) -> None:
                self.body()
                given = self.headers.get("Authorization", "").removeprefix("Bearer ")
                if not hmac.compare_digest(given.encode(), control.token.encode()):
                    return self.answer(401, "this is another user's demo\n")
                verb, _, name = self.path.strip("/").partition("/")
                if verb not in ("break", "heal") or name not in control.faults:
                    return self.answer(404, f"no fault {name!r}; there are: {', '.join(control.faults)}\n")
                return self.answer(200, control.act(verb, name) + "\n")

        return ControlHandler


def state_path() -> Path:
    """Return where `healthkit demo` looks for the running demo."""
    default = Path(tempfile.gettempdir()) / f"healthkit-demo-{os.getuid()}.json"
    return Path(os.environ.get("HEALTHKIT_DEMO_STATE", default))
