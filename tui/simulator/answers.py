"""HTTP answers: JSON documents, failures, and the reading of request bodies."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from tui.simulator.objects import KubeObject
from tui.simulator.statuses import ApiFailure, bad_request

_HEADERS = {"Cache-Control": "no-cache, private"}
PROTOBUF_MAGIC = b"k8s\x00"


def json_answer(body: bytes | KubeObject, status: int = 200) -> web.Response:
    """Return an answer with this JSON."""
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(
        body=encoded, status=status, content_type="application/json", headers=_HEADERS
    )


def failure_answer(failure: ApiFailure) -> web.Response:
    """Return the answer of a request that failed."""
    answer = json_answer(failure.status(), failure.code)
    if failure.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(failure.retry_after_seconds)
    return answer


def decode_object(body: bytes, media_type: str) -> KubeObject:
    """Decode the JSON object of a request body.

    Raises:
        ApiFailure: it is something else.
    """
    if body.startswith(PROTOBUF_MAGIC) or "protobuf" in media_type:
        raise ApiFailure(
            415,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json",
        )
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding the request body: {error}") from error
    if not isinstance(found, dict):
        raise bad_request("the request body is not an object")
    return found


def table_wanted(accept: str) -> bool:
    """Return whether the first acceptable form is a Table."""
    return "as=Table" in accept.partition(",")[0]


def positive_number(query: Mapping[str, str], key: str) -> int | None:
    """Return a query parameter as a number, or None if it is absent or zero.

    Raises:
        ApiFailure: it is no number.
    """
    text = query.get(key, "")
    if not text:
        return None
    try:
        return int(text) or None
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
