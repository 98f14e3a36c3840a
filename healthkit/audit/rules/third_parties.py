"""Third parties that the app relies on and never asks after."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from healthkit.audit import signs
from healthkit.audit.model import Scene, Spot
from healthkit.audit.source import Source, argument, keyword
from healthkit.audit.vendors import CLIENTS, OWN_ADDRESS, is_elsewhere, token

_METHODS = "get|post|put|patch|delete|head|options|request|stream"
_CALL = re.compile(
    rf"^(requests(\.api)?|httpx2?|requests\.[sS]ession\(\)|httpx2?\.(Async)?Client\(\)|aiohttp\.ClientSession\(\)|"
    rf"urllib3\.PoolManager\(\)|urllib3)\.({_METHODS})$|^urllib\.request\.(urlopen|Request)$"
)
_CLIENT = re.compile(r"^(httpx2?\.(Async)?Client|aiohttp\.ClientSession)$")
_HOST = re.compile(r"^https?://(?:[^/@\s]*@)?([A-Za-z0-9.-]+)(?::\d+)?(/|\?|$)")
_CHECKS = re.compile(r"^healthkit\.checks\.(http|status_page|net|certificates|smtp|outbound)\b")


@dataclass(frozen=True)
class _Relied:
    """One third party, where the app first relies on it, and an address that answers."""

    tokens: tuple[str, ...]
    shown: str
    path: Path
    line: int
    url: str


def without_check(scene: Scene) -> Iterator[Spot]:
    """Find third parties without a check, one finding each."""
    known = _checked(scene)
    if known is None:
        return
    told: set[str] = set()
    for one in [*_called(scene), *_imported(scene)]:
        if any(part in text for part in one.tokens for text in known) or _is_told(one, told):
            continue
        told |= set(one.tokens)
        yield Spot(
            one.path,
            one.line,
            f"the app relies on {one.shown} and nothing asks whether it answers: "
            "its outage shows as your own.",
            f'health.add(ThirdPartyAPI("{one.tokens[0]}", "{one.url}", expect_status=range(200, 500)), '
            "critical=False)",
        )


def _is_told(one: _Relied, told: set[str]) -> bool:
    """Whether the same party was told of, by its host or its client: `postmark` and `postmarkapp`."""
    return any(part in other or other in part for part in one.tokens for other in told)


def _checked(scene: Scene) -> set[str] | None:
    """Return the names and hosts that some check is about, in lower case; None: all calls are watched."""
    known: set[str] = set()
    for check in scene.facts.checks:
        if check.kind == "OutboundCalls":
            return None
        known |= {check.key.lower(), *(host.lower() for host in check.hosts)}
    for source in scene.project.sources:
        for call in source.calls:
            dotted = source.dotted(call.func)
            if _CHECKS.match(dotted):
                if dotted.endswith("OutboundCalls"):
                    return None
                texts = [scene.project.prefix_of(source, arg)[0] for arg in call.args]
                known |= {text.lower() for text in texts if text}
    return known | {handler.text.lower() for handler in scene.handlers}


def _called(scene: Scene) -> Iterator[_Relied]:
    for source in scene.project.sources:
        for call in source.calls:
            for node in _addresses(source, call):
                host = _host(scene, source, node)
                if host:
                    yield _Relied((token(host),), host, source.path, call.lineno, f"https://{host}/")


def _addresses(source: Source, call: ast.Call) -> Iterator[ast.expr | None]:
    """Yield the address that a call asks, and the one that a client is made for."""
    dotted = source.dotted(call.func)
    if _CALL.match(dotted):
        position = (
            1 if dotted.endswith((".request", ".stream")) and not dotted.startswith("urllib3.request") else 0
        )
        yield argument(call, position, "url")
    elif _CLIENT.match(dotted):
        yield keyword(call, "base_url") or (argument(call, 0, "base_url") if "aiohttp" in dotted else None)


def _host(scene: Scene, source: Source, node: ast.expr | None) -> str:
    text, whole = scene.project.prefix_of(source, node)
    found = _HOST.match(text)
    if found is None or (not found[2] and not whole) or signs.in_text(text):
        return ""
    return found[1].lower() if is_elsewhere(found[1].lower()) else ""


def _imported(scene: Scene) -> Iterator[_Relied]:
    for source in scene.project.sources:
        for module, line in source.imported.items():
            name = module.split(".")[0]
            if name in CLIENTS and name not in scene.project.by_module and not _own_address(source, name):
                tokens, url = CLIENTS[name]
                yield _Relied(tokens, name, source.path, line, url)


def _own_address(source: Source, name: str) -> bool:
    """Whether a client is made for another address than the vendor's."""
    return any(
        source.dotted(call.func).startswith(f"{name}.") and any(keyword(call, word) for word in OWN_ADDRESS)
        for call in source.calls
    )
