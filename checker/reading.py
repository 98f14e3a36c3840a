"""What an endpoint's answer means: status code and document, judged together. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from checker.http import ErrorKind, HttpError, Response
from checker.model import Cause, Poll, Verdict
from healthkit.bounds import clean
from healthkit.errors import WireError
from healthkit.status import Status
from healthkit.wire import STATUSES, Component, Document, parse

MAX_REASON = 500
MAX_NAMED = 3  # components named in the endpoint's own reason; each has a monitor of its own besides

VERDICTS = {Status.PASS: Verdict.PASS, Status.WARN: Verdict.WARN, Status.FAIL: Verdict.FAIL}
_CAUSES = {Verdict.PASS: Cause.NONE, Verdict.WARN: Cause.DEGRADED, Verdict.FAIL: Cause.FAILING}
_WITHOUT_BODY = (204, 304)
# Something did answer; every other error means that nothing did.
_ANSWERED = {
    ErrorKind.TOO_LARGE: Cause.DOCUMENT,
    ErrorKind.PROTOCOL: Cause.DOCUMENT,
    ErrorKind.TOO_MANY_REDIRECTS: Cause.HTTP,
}


def no_answer(error: HttpError, at: float) -> Poll:
    """Return the poll of an endpoint that gave no answer."""
    cause = _ANSWERED.get(error.kind, Cause.UNREACHABLE)
    return Poll(Verdict.FAIL, at, cause, clean(error.reason, MAX_REASON))


def read(response: Response, at: float, *, nonce: str | None = None) -> Poll:
    """Return what an answer says: the worse of its status code and its document, with the components found.

    With a `nonce` that was sent along, a document that does not give it back is unproven: a cache or a stub
    may have answered.
    """
    details: dict[str, Any] = {}
    if response.certificate_expires is not None:
        details["certificate_expires"] = response.certificate_expires
    document, trouble, note = _document(response)
    if note:
        details["note"] = note
    if document is None:
        verdict, cause, reason = _by_status_code(response.status, trouble)
        return _poll(response, at, (verdict, cause, reason), details)
    if document.version:
        details["version"] = document.version
    if document.problems:
        details["problems"] = list(document.problems)
    components = _components(document, at)
    outcome = _with_doubts(_judge(response.status, document, components), document, nonce)
    return _poll(response, at, outcome, details, components)


_Outcome = tuple[Verdict, Cause, str]
_Components = tuple[tuple[str, Poll], ...]


def _poll(
    response: Response, at: float, outcome: _Outcome, details: dict[str, Any], components: _Components = ()
) -> Poll:
    verdict, cause, reason = outcome
    return Poll(
        verdict,
        at,
        cause,
        clean(reason, MAX_REASON),
        http_status=response.status,
        latency=response.latency,
        details=details,
        components=components,
    )


def _document(response: Response) -> tuple[Document | None, str, str]:
    """Return (document, trouble, note): trouble when a document was promised and cannot be read.

    A page, or JSON that is something else, is no trouble: then the status code alone counts.
    """
    if not _looks_like_json(response):
        return None, "", ""
    if response.unread:
        return None, response.unread, ""
    if response.truncated:
        return None, f"the document is larger than {len(response.body):,} bytes, and was not read", ""
    try:
        return parse(response.body), "", ""
    except WireError as error:
        if response.content_type != "application/health+json" and _is_other_json(response.body):
            return None, "", f"not a health document, so the status code alone counts: {error}"
        return None, str(error), ""


def _looks_like_json(response: Response) -> bool:
    if response.status in _WITHOUT_BODY:
        return False
    media_type = response.content_type
    if media_type == "application/json" or media_type.endswith("+json"):
        return True
    return response.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _is_other_json(body: bytes) -> bool:
    try:
        root = json.loads(body)
    except (ValueError, RecursionError):
        return False
    status = root.get("status") if isinstance(root, dict) else None
    return not (isinstance(status, str) and status.strip().lower() in STATUSES)


def _by_status_code(status: int, trouble: str) -> _Outcome:
    if not is_fine(status):
        return Verdict.FAIL, Cause.HTTP, f"answered {status}" + (f"; {trouble}" if trouble else "")
    if trouble:
        return Verdict.WARN, Cause.DOCUMENT, f"answered {status}, but {trouble}"
    return Verdict.PASS, Cause.NONE, ""


def is_fine(status: int) -> bool:
    """Tell whether a status code says that all is well: 2xx and 3xx (draft-inadarei, section 3)."""
    return 200 <= status < 400


def _judge(status: int, document: Document, components: _Components) -> _Outcome:
    verdict = VERDICTS.get(document.status, Verdict.PASS)
    says = f"answered {status}, yet its document says {document.status}"
    why = _why(verdict, document, components)
    if is_fine(status):
        if verdict is Verdict.FAIL:
            return verdict, Cause.FAILING, f"{says}: {why}"
        return verdict, _CAUSES[verdict], why
    if verdict is Verdict.FAIL:
        return verdict, Cause.FAILING, why
    return Verdict.FAIL, Cause.DOCUMENT, says + (f": {why}" if why else "")


def _why(verdict: Verdict, document: Document, components: _Components) -> str:
    """Name the components that explain a verdict, the first few of them."""
    if verdict is Verdict.PASS:
        return ""
    worst = [(key, poll) for key, poll in components if poll.verdict is verdict]
    named = [f"{key}: {poll.reason}" if poll.reason else key for key, poll in worst[:MAX_NAMED]]
    if len(worst) > MAX_NAMED:
        named.append(f"and {len(worst) - MAX_NAMED:,} more")
    if named:
        return "; ".join(named)
    return document.output or f"it says {document.status}, and not why"


def _with_doubts(outcome: _Outcome, document: Document, nonce: str | None) -> _Outcome:
    """Turn a pass into a warning when the document was not wholly understood, or is not proven fresh."""
    doubts = list(document.problems[:MAX_NAMED])
    if nonce is not None and document.nonce != nonce:
        doubts.insert(0, "unproven: the nonce did not come back, so a cache or a stub may have answered")
    if not doubts:
        return outcome
    verdict, cause, reason = outcome
    told = "; ".join(part for part in (reason, *doubts) if part)
    if verdict is Verdict.PASS:
        return Verdict.WARN, Cause.DOCUMENT, told
    return verdict, cause, told


def _components(document: Document, at: float) -> _Components:
    known = [component for component in document.components if component.status in VERDICTS]
    names = _names(known)
    return tuple((name, _component(component, at)) for name, component in zip(names, known, strict=True))


def _component(component: Component, at: float) -> Poll:
    verdict = VERDICTS[component.status]
    return Poll(
        verdict,
        at,
        _CAUSES[verdict],
        "" if verdict is Verdict.PASS else clean(component.output, MAX_REASON),
        value=component.value,
        unit=component.unit,
        details=component.details,
    )


def _names(components: Sequence[Component]) -> list[str]:
    """Return a name for each: its key, with `#` and the component's id where a key has several entries."""
    if len({component.key for component in components}) == len(components):
        return [component.key for component in components]
    entries = Counter(component.key for component in components)
    taken: set[str] = set()
    names = []
    for place, component in enumerate(components, 1):
        name = component.key
        if entries[component.key] > 1:
            name = f"{component.key}#{component.component_id or place}"
        while name in taken:
            name = f"{name}#{place}"
        taken.add(name)
        names.append(name)
    return names
