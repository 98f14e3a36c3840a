"""`StatusPage`: what a vendor says of itself, on a page in the form of Statuspage (`/api/v2/summary.json`).

health.add(StatusPage("stripe", "https://www.stripestatus.com", components={"API"}), critical=False)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from healthkit.bounds import clean
from healthkit.checks.http_get import Fetcher
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result
from healthkit.status import Status

PATH = "/api/v2/summary.json"
_INDICATORS = {
    "none": Status.PASS,
    "maintenance": Status.WARN,
    "minor": Status.WARN,
    "major": Status.FAIL,
    "critical": Status.FAIL,
}
_COMPONENTS = {
    "operational": Status.PASS,
    "under_maintenance": Status.WARN,
    "degraded_performance": Status.WARN,
    "partial_outage": Status.WARN,
    "major_outage": Status.FAIL,
}


class StatusPage:
    """What a vendor's status page says: of the whole, or of `components` alone when they are named.

    none passes, minor and maintenance warn, major and critical fail. Of components, a partial outage and
    degraded performance warn and a major outage fails; names match in any case, and one that the page does
    not list warns. A page that does not answer says nothing of the vendor: a warning. Not critical by
    default.
    """

    measurement = "status"
    component_type = "component"
    critical = False
    fresh_for = 60.0

    def __init__(
        self, name: str, url: str, *, components: Iterable[str] | None = None, ca_file: str | None = None
    ) -> None:
        self.name = name
        self.identity = f"status-page:{urlsplit(url).hostname}"
        if isinstance(components, str):
            raise ConfigurationError(
                f'StatusPage {name!r}: components must be a set of names, such as {{"API"}}'
            )
        self._components = None if components is None else {part.lower(): part for part in components}
        base = url.rstrip("/")
        whole = base if urlsplit(base).path.endswith(".json") else base + PATH
        self._fetcher = Fetcher(whole, f"StatusPage {name!r}", ca_file=ca_file)

    def __call__(self) -> Result | list[Result]:
        """Raises `Warn` when the page cannot be had or read."""
        page = self._page()
        told = _incidents(page)
        if self._components is None:
            return _whole(page, told)
        listed = {str(part.get("name", "")).lower(): part for part in _rows(page, "components")}
        return [_component(shown, listed.get(key)) for key, shown in self._components.items()]

    def abort(self) -> None:
        """End the request under way."""
        self._fetcher.abort()

    def _page(self) -> Mapping[str, Any]:
        try:
            answer = self._fetcher.fetch(headers={"Accept": "application/json"})
        except Fail as error:
            raise Warn(f"the status page gave no answer: {error.reason}") from None
        if answer.status != 200:
            raise Warn(f"the status page answered {answer.status}")
        try:
            page = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise Warn("the status page answered something that is no JSON") from None
        if not isinstance(page, dict) or not isinstance(page.get("status"), dict):
            raise Warn("the status page answered JSON that is not in the form of Statuspage")
        return page


def _whole(page: Mapping[str, Any], told: list[str]) -> Result:
    shown = page["status"]
    indicator = str(shown.get("indicator", "")).lower()
    status = _INDICATORS.get(indicator, Status.WARN)
    said = clean(str(shown.get("description") or f"indicator {indicator!r}"), 200)
    output = "" if status is Status.PASS else "; ".join([said, *told])
    details = {"incidents": told} if told else {}
    return Result(indicator, None, status, output, None, details)


def _component(shown: str, part: Mapping[str, Any] | None) -> Result:
    if part is None:
        return Result(None, None, Status.WARN, f"the status page lists no component {shown!r}", shown)
    said = str(part.get("status", "")).lower()
    status = _COMPONENTS.get(said, Status.WARN)
    return Result(
        said, None, status, "" if status is Status.PASS else clean(said.replace("_", " "), 100), shown
    )


def _incidents(page: Mapping[str, Any]) -> list[str]:
    """Return the names of the incidents that are open now, five at most."""
    return [clean(str(one["name"]), 200) for one in _rows(page, "incidents") if one.get("name")][:5]


def _rows(page: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = page.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
