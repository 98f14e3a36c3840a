"""The body with which the API is given an endpoint: for the OpenAPI document; `config_endpoint` judges it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from checker.web.schemas import Text

Length = Annotated[
    float | Annotated[Text, Field(max_length=40)], Field(description='seconds, or such as "90s"')
]
Line = Annotated[Text, Field(max_length=2_000)]
Lines = Annotated[list[Line], Field(max_length=100)]
Count = Annotated[int, Field(ge=1, le=1000)]


class OfComponents(BaseModel):
    """What those components have of their own whose name matches the pattern."""

    model_config = ConfigDict(extra="forbid")

    fail_after: Count | None = None
    recover_after: Count | None = None
    fail_when: Line | None = Field(None, description='such as "3 of 5", in the place of `fail_after`')
    severity: Line | None = None
    channels: Lines | None = None
    tags: Lines | None = None
    description: Line | None = None
    ignore: bool | None = None


class Endpoint(BaseModel):
    """An endpoint, by the keys of the configuration file; the URL's scheme tells which of them there are."""

    model_config = ConfigDict(extra="forbid")

    url: Line = Field(description="http, https, tcp://host:port, tls://host:port or dns://name")
    every: Length | None = None
    timeout: Length | None = None
    fail_after: Count | None = None
    recover_after: Count | None = None
    fail_when: Line | None = Field(None, description='such as "3 of 5", in the place of `fail_after`')
    tags: Lines | None = None
    channels: Lines | None = None
    depends_on: Lines | None = None
    description: Line | None = None
    severity: Line | None = None
    remind_every: Length | None = None
    method: Line | None = None
    headers: dict[Line, Line] | None = None
    body: Annotated[Text, Field(max_length=100_000)] | None = None
    follow_redirects: bool | None = None
    document: bool | None = Field(None, description="whether a health document in the answer is read")
    conditions: Lines | None = Field(None, description='such as "status == 200"; what does not hold fails')
    warn_conditions: Lines | None = Field(None, description="what does not hold warns")
    allow_private: bool | None = None
    prove: bool | None = Field(None, description="whether a nonce is sent, and must come back")
    stale_after: Length | None = None
    forget_after: Length | None = Field(None, description="how long a component is shown as gone")
    send: Annotated[Text, Field(max_length=100_000)] | None = Field(
        None, description="tcp: sent once connected"
    )
    record: Line | None = Field(None, description="dns: the type that is asked for")
    server: Line | None = Field(None, description="dns: who is asked")
    components: dict[Line, OfComponents] | None = None

    def said(self) -> dict[str, Any]:
        """Return what was given, by the names of the file."""
        return self.model_dump(exclude_none=True)
