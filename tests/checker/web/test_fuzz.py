"""Whatever is sent to the API, the answer is as its own document describes it, and never a 500."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from checker.model import Cause, Incident, Kind, Member, Ping, PingKind, Poll, State, Verdict
from checker.store import incidents
from tests.checker.web.site import ADMIN, NOW, Site

EXAMPLES = 12  # of each operation
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    response_schema_conformance,
    content_type_conformance,
]
# Random requests rarely get what these want; their own tests see them succeed.
MAY_FAIL = {
    "POST /api/maintenance",
    "DELETE /api/maintenance/{number}",
    "PUT /api/endpoints/{name}",
    "DELETE /api/monitors/{name}",
    "POST /api/v3/checks/{check}/resume",
    "GET /api/v3/checks/{check}/pings/{n}/body",
    "POST /api/v3/checks/{check}",
    "DELETE /api/v3/checks/{check}",
    "GET /api/v3/checks/{check}/flips/",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A checker with something of each kind to be found."""
    found = Site(tmp_path_factory.mktemp("fuzz"))
    part = Poll(Verdict.FAIL, NOW, cause=Cause.FAILING, reason="r")
    found.record((found.id("shop"), Poll(Verdict.FAIL, NOW, reason="r", components=(("db:write", part),))))
    for kind in (PingKind.START, PingKind.SUCCESS, PingKind.FAIL):
        found.record((found.id("Nightly invoices"), Ping(kind, NOW, body=b"out\xff")))
    member = Member(found.id("shop"), "shop", State.DOWN, "503", Cause.HTTP, NOW)
    for number in range(1, 4):
        incident = Incident(0, f"shop {number}", f"k{number}", "shop is down", "503", NOW, members=(member,))
        found.store.write_now(partial(incidents.save, found=incident, now=NOW))
    yield found
    found.close()


@pytest.fixture(scope="module")
def schema(site: Site) -> Any:
    """The API by its own document."""
    return schemathesis.openapi.from_asgi("/openapi.json", site.app)


def real(site: Site, case: Any) -> None:
    """Put what exists in place of every other random name, id or uuid: more than 404 is to be seen."""
    parameters = case.path_parameters or {}
    if len(str(case.query)) % 2:
        return
    if "check" in parameters:
        known = [spec.token for spec in site.registry.specs.values() if spec.kind is Kind.HEARTBEAT]
        parameters["check"] = known[len(str(case.body)) % len(known)]
    if "name" in parameters:
        known = [spec.full_name for spec in site.registry.specs.values()]
        parameters["name"] = known[len(str(case.body)) % len(known)]
    for name in ("number", "n"):
        if name in parameters:
            parameters[name] = 1 + len(str(case.body)) % 3


def operations(schema: Any) -> list[Any]:
    """Every operation of the document."""
    return [found.ok() for found in schema.get_all_operations()]


def fuzz(operation: Any, site: Site) -> set[int]:
    """Send random requests to one operation; return the statuses that came back."""
    seen: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        real(site, case)
        case.headers = {**(case.headers or {}), "X-Api-Key": ADMIN, "Authorization": f"Bearer {ADMIN}"}
        seen.add(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    return seen


def test_no_request_makes_the_api_stumble(schema: Any, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    found = operations(schema)
    assert len(found) >= 25
    with caplog.at_level(logging.ERROR):
        seen = {operation.label: fuzz(operation, site) for operation in found}
    assert not [record for record in caplog.records if record.exc_info]
    unheard = {label for label, statuses in seen.items() if not statuses & {200, 201, 204}}
    assert unheard <= MAY_FAIL, seen


def test_a_hostile_path_method_or_header_is_refused_in_order(site: Site, tmp_path: Path) -> None:
    for path in ("/api/v3/checks/%", "/api/monitors/\x00", "/api/monitors/" + "x" * 5000, "/badge/\ud7ff.svg",
                 "/badges/2/\x00.svg", "/status/../etc", "/incidents/999999999999999999999"):  # fmt: skip
        for method in ("GET", "POST", "DELETE", "BREW"):
            assert site.ask(path, method=method).status in (401, 403, 404, 405, 422), (method, path)
