"""The checker's HTTP client: asyncio over libcurl, with limits on time, bytes, redirects and addresses."""

from checker.http.client import Http
from checker.http.model import ErrorKind, HttpError, Phases, Request, Response

__all__ = ["ErrorKind", "Http", "HttpError", "Phases", "Request", "Response"]
