"""Pings in the shapes of other products, so that a job moves over by a change of the host. Pure.

- Uptime Kuma push: `/api/push/<token>?status=up&msg=OK&ping=12`, any method, answered `{"ok":true}`;
- Gatus external endpoint: `POST /api/v1/endpoints/<group>_<name>/external?success=true&error=&duration=10s`
  with `Authorization: Bearer <token>`, answered 200 without a body;
- PulseMon: `/api/ping/<slug>?status=fail&duration=1234` or the same in a JSON body, answered `{"ok":true}`.

The statuses and texts are theirs (server/routers/api-router.js of Uptime Kuma, api/external_endpoint.go of
Gatus, the ping API page of PulseMon), but for a ping that cannot be kept: that is 503 in every shape, so that
the sender tries again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checker.model import NOTHING, MonitorSpec, PingKind
from checker.web.ping_body import Body, milliseconds
from checker.web.ping_path import Refusal, query_fields

PREFIXES = ("/api/push/", "/api/v1/endpoints/")
KUMA_UNKNOWN = "Monitor not found or not active."
_LONGEST_MS = 100_000_000_000.0  # Uptime Kuma's own limit of `ping`
_KUMA = re.compile(r"/api/push/(?P<token>[-a-zA-Z0-9_]{1,200})/?", re.ASCII)
_GATUS = re.compile(r"/api/v1/endpoints/(?P<key>[^/]{1,400})/external/?")
_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_GO = re.compile(rf"\+?(?:{_GO_PART})+", re.ASCII)
_SANITIZED = str.maketrans(dict.fromkeys("/_., #+&", "-"))


@dataclass(frozen=True, slots=True)
class Sign:
    """What a foreign request says: whose it is, how it went, and what its sender wants to hear."""

    kind: PingKind
    token: str
    key: str = ""  # of Gatus: `<group>_<name>`
    said: str = ""  # kept as the ping's body where there is none
    duration: float | None = None
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    json: bool = True  # answered `{"ok":true}`, or with an empty body


def read(path: str, query: bytes, method: str, authorization: str) -> Sign | Refusal:
    """Return what a request under one of `PREFIXES` says, or the refusal its sender knows."""
    fields = query_fields(query)
    if match := _KUMA.fullmatch(path):
        return _kuma(match["token"], fields)
    if (match := _GATUS.fullmatch(path)) and method == "POST":
        return _gatus(match["key"], fields, authorization)
    return Refusal(404, "not found")


def pulsemon(kind: PingKind, query: bytes, body: Body) -> tuple[PingKind, float | None]:
    """Return the sign and the duration (seconds) of a ping in PulseMon's shape: in its query or its body."""
    fields = query_fields(query)
    status = fields.get("status") or body.status
    if kind is PingKind.SUCCESS and status == "fail":
        kind = PingKind.FAIL
    asked = milliseconds(fields["duration"]) if "duration" in fields else None
    return kind, body.duration if asked is None else asked


def is_meant(spec: MonitorSpec, key: str) -> bool:
    """Tell whether a Gatus key names this monitor: `<any group>_<name>`, or a name that holds both parts."""
    group, _, name = key.partition("_")
    ours = spec.name.strip().lower().translate(_SANITIZED)
    return ours in (name, f"{group}-{name}")


def slugs_of(key: str) -> tuple[str, str]:
    """Return the slugs that a Gatus key may mean."""
    group, _, name = key.partition("_")
    return name, f"{group}-{name}"


def ok_json(message: str = "") -> str:
    """Return the JSON answer of Uptime Kuma: `{"ok":true}`, or false with a message."""
    document: dict[str, Any] = {"ok": False, "msg": message} if message else {"ok": True}
    return json.dumps(document, separators=(",", ":"))


def _kuma(token: str, fields: Mapping[str, str]) -> Sign | Refusal:
    metrics: dict[str, float] = {}
    latency = _figure(fields.get("ping", ""))
    if latency:
        if not 0 <= latency <= _LONGEST_MS:
            text = f"Invalid ping value. Must be between 0 and {_LONGEST_MS:.0f} ms."
            return Refusal(404, ok_json(text), json=True)
        metrics = {"ping": latency}
    up = (fields.get("status") or "up") == "up"
    kind = PingKind.SUCCESS if up else PingKind.FAIL
    return Sign(kind, token, said=fields.get("msg", ""), metrics=metrics)


def _figure(text: str) -> float:
    """Return a number, 0 where it is none."""
    try:
        found = float(text[:40])
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(found) else found


def _gatus(key: str, fields: Mapping[str, str], authorization: str) -> Sign | Refusal:
    success = fields.get("success")
    if success not in ("true", "false"):
        return Refusal(400, "missing or invalid success query parameter")
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer":
        return Refusal(401, "invalid Authorization header")
    if not token.strip():
        return Refusal(401, "bearer token must not be empty")
    duration = None
    if fields.get("duration"):
        duration = _go_duration(fields["duration"])
        if duration is None:
            return Refusal(400, f'invalid duration: time: invalid duration "{fields["duration"][:40]}"')
    kind = PingKind.SUCCESS if success == "true" else PingKind.FAIL
    said = fields.get("error", "") if kind is PingKind.FAIL else ""
    return Sign(kind, token.strip(), key=key, said=said, duration=duration, json=False)


def _go_duration(text: str) -> float | None:
    """Return a duration as Go writes it (`1h2m3.5s`, `350ms`) in seconds."""
    if text in ("0", "+0"):
        return 0.0
    if len(text) > 60 or not _GO.fullmatch(text):
        return None
    return sum(float(number) * _GO_UNITS[unit] for number, unit in re.findall(_GO_PART, text))
