"""Turn what comes back instead of an answer into the error tree, with a message to act on."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from tui.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    ThrottledError,
    UnauthorizedError,
)
from tui.safety import clean

T = TypeVar("T")

MAX_FAILURE_BYTES = 64 << 10
"""Of a failure's body that is read; a proxy's error page may be any size."""
MAX_RETRY_AFTER_SECONDS = 120.0
"""Longest wait a server may ask for; whoever asks for a day is asked again sooner."""

_DENIED = re.compile(r'cannot (\w+) resource "([^"]*)"')
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class StatusCause(msgspec.Struct, frozen=True):
    """One cause in a Status' details."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(msgspec.Struct, frozen=True, rename="camel"):
    """The details of a Status."""

    name: str = ""
    kind: str = ""
    causes: list[StatusCause] | None = None
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """`metav1.Status`: how the API server says that something failed."""

    kind: str = ""
    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails | None = None


_STATUS = msgspec.json.Decoder(Status)


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """Decode JSON from the network.

    Raises:
        msgspec.DecodeError: it does not fit, or is nested too deeply, which is a RecursionError
            to msgspec and would pass every handler of its own errors.
    """
    try:
        return decoder.decode(body)
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error


def parse_status(body: bytes | msgspec.Raw) -> Status | None:
    """Decode a Status, or return None where the body is something else."""
    try:
        status = decoded(_STATUS, body)
    except msgspec.DecodeError:
        return None
    return status if status.kind == "Status" or status.status else None


def looks_like_html(body: bytes) -> bool:
    """Tell whether a body is a page of some proxy or login instead of JSON."""
    start = body[:256].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head"))


def failure(
    code: int,
    body: bytes,
    *,
    method: str,
    path: str,
    server: str,
    retry_after: str | None = None,
) -> ApiError:
    """Return the error for an HTTP answer that is a failure."""
    status = parse_status(body)
    said = _foreign(body) if status is None else status.message or status.reason
    where = _Place(method, path, server)
    error = _failure(code, status, said, where, retry_after)
    # Webhooks answer with whole paragraphs.
    error.said = clean(" ".join(said.split()))
    return error


@dataclass(frozen=True, slots=True)
class _Place:
    """What was asked, and whom."""

    method: str
    path: str
    server: str


def _failure(
    code: int, status: Status | None, said: str, where: _Place, retry_after: str | None
) -> ApiError:
    method, path, server = where.method, where.path, where.server
    asked = f"{method} {path}"
    if code == 401:
        return UnauthorizedError(
            f"{server} refuses the credentials (401) for {asked}: "
            "they are missing, wrong or expired; log in again",
            401,
            "Unauthorized",
        )
    if code == 403:
        return forbidden(said, method, path)
    if code == 429:
        seconds = retry_after_seconds(retry_after)
        if seconds is None and status is not None and status.details is not None:
            said_seconds = float(status.details.retry_after_seconds)
            seconds = _bounded_wait(said_seconds) if said_seconds > 0 else None
        return ThrottledError(f"{server} asks to wait (429) for {asked}: {said}", seconds)
    reason = status.reason if status is not None else ""
    kinds: dict[int, type[ApiError]] = {
        404: NotFoundError,
        409: ConflictError,
        410: GoneError,
    }
    kind = kinds.get(code, ApiError)
    return kind(f"{asked} failed with {code}: {said}{_advice(code)}", code, reason)


def forbidden(said: str, method: str, path: str) -> ForbiddenError:
    """Return the 403 with the verb and the resource that are missing."""
    match = _DENIED.search(said)
    verb, resource = match.groups() if match else verb_and_resource(method, path)
    return ForbiddenError(
        f"not allowed to {verb} {resource} (403): {said}; ask for the verb {verb} on {resource}",
        verb,
        resource,
    )


def verb_and_resource(method: str, path: str) -> tuple[str, str]:
    """Read Kubernetes' verb and resource from a request, as its authorizer does."""
    pure, _, query = path.partition("?")
    parts = [part for part in pure.split("/") if part]
    rest = parts[2:] if parts[:1] == ["api"] else parts[3:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    if not rest:
        return method.lower(), pure
    resource = "/".join([rest[0], *rest[2:]])
    if len(rest) > 1:
        return _OBJECT_VERBS.get(method, method.lower()), resource
    if "watch=" in query:
        return "watch", resource
    return _COLLECTION_VERBS.get(method, method.lower()), resource


def status_error(status: Status, *, path: str, server: str) -> ApiError:
    """Return the error for a Status that came inside a stream, such as a watch."""
    body = msgspec.json.encode(status)
    return failure(status.code or 500, body, method="GET", path=path, server=server)


def undecodable(body: bytes, error: Exception, *, path: str, server: str) -> ApiError:
    """Return the error for a successful answer that is not what was asked for."""
    if looks_like_html(body):
        return ApiError(
            f"GET {path} brought a web page instead of JSON: {_foreign(body)}; "
            f"is {server} the API server, or a proxy or login page before it?"
        )
    if not body:
        return ApiError(f"GET {path} brought an empty answer from {server}")
    return ApiError(
        f"GET {path} brought {len(body)} bytes that can't be read ({error}): "
        "cut off on the way, or not a Kubernetes API"
    )


def retry_after_seconds(value: str | None) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date; bounded."""
    if not value:
        return None
    text = value.strip()
    try:
        if text.isascii() and text.isdigit():
            return _bounded_wait(float(text))
        return _bounded_wait(parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _bounded_wait(seconds: float) -> float:
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)


def _foreign(body: bytes) -> str:
    """Describe a body that is no Status: a page's title, or how the text starts."""
    if not body.strip():
        return "no explanation came with it"
    text = body[:4096].decode("utf-8", "replace")
    if looks_like_html(body):
        title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
        words = " ".join((title.group(1) if title else re.sub(r"<[^>]*>", " ", text)).split())
        return f"a web page says {words[:200]!r}"
    return " ".join(text.split())[:300]


def _advice(code: int) -> str:
    if 300 <= code < 400:
        return "; a redirect is not followed: is this the API server's address?"
    if code in {414, 431}:
        return "; a proxy on the way limits the length of a request"
    if code == 407:
        return "; the proxy wants credentials: put them into proxy-url or HTTPS_PROXY"
    if code >= 500:
        return "; the API server or something before it is in trouble"
    return ""
