"""The checker's own JSON API. With an `admin_token`, it wants `Authorization: Bearer <admin_token>`."""

from __future__ import annotations

import hmac
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from checker.model import Incident
from checker.store import views
from checker.verdict import as_json
from checker.web.context import Context

Limit = Annotated[int, Query(ge=1, le=1000, description="how many, the newest first (1 to 1000)")]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]


def router(context: Context) -> APIRouter:
    """Return the routes under `/api`."""

    async def authorized(credentials: Credentials) -> None:
        token = context.config().server.admin_token
        given = credentials.credentials if credentials else ""
        if token and not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(
                401, "send the admin_token as Authorization: Bearer", {"WWW-Authenticate": "Bearer"}
            )

    api = APIRouter(prefix="/api", dependencies=[Depends(authorized)], tags=["api"])

    @api.get("/status", summary="The verdict and every monitor")
    async def status() -> dict[str, Any]:
        """The verdict, and every monitor with its components: state, since (epoch seconds) and reason."""
        return as_json(await context.overview())

    @api.get("/incidents", summary="Incidents")
    async def incidents(open: bool | None = None, limit: Limit = 100) -> dict[str, Any]:
        """Incidents with their members, the newest first; `open` true or false for one kind alone."""
        resolved = None if open is None else not open
        found = await context.store.read(lambda conn: views.incidents(conn, resolved=resolved, limit=limit))
        return {"incidents": [incident_json(each) for each in found]}

    @api.get("/deliveries", summary="The outbox")
    async def deliveries(limit: Limit = 100) -> dict[str, Any]:
        """What was, is and will be sent to which channel: status, attempts, last error."""
        found = await context.store.read(lambda conn: views.deliveries(conn, limit=limit))
        return {"deliveries": [{**asdict(each), "status": each.status} for each in found]}

    return api


def incident_json(incident: Incident) -> dict[str, Any]:
    """Return an incident as the API tells it; times are epoch seconds."""
    return {
        "id": incident.id,
        "dedup_key": incident.dedup_key,
        "title": incident.title,
        "cause": incident.cause,
        "severity": incident.severity.value,
        "since": incident.since,
        "resolved_at": incident.resolved_at,
        "acknowledged_at": incident.acknowledged_at,
        "suppressed": list(incident.suppressed),
        "monitors": [
            {
                "name": member.name,
                "state": member.state.value,
                "cause": member.cause.value,
                "reason": member.reason,
                "since": member.since,
                "resolved_at": member.resolved_at,
            }
            for member in incident.members
        ],
    }
