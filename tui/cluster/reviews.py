"""Ask the API server what we may do, before somebody finds out by being refused."""

from __future__ import annotations

import msgspec

from tui.cluster.answers import decoded
from tui.cluster.kinds import Entity
from tui.cluster.transport import Transport, deadline
from tui.errors import ClusterError

REVIEW_SECONDS = 10.0


class _Attributes(Entity, frozen=True, omit_defaults=True):
    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class _ReviewSpec(Entity, frozen=True):
    resource_attributes: _Attributes


class _ReviewStatus(Entity, frozen=True):
    allowed: bool = False
    denied: bool | None = None


class _Review(Entity, frozen=True):
    kind: str = "SelfSubjectAccessReview"
    api_version: str = "authorization.k8s.io/v1"
    spec: _ReviewSpec | None = None
    status: _ReviewStatus | None = None


_DECODER = msgspec.json.Decoder(_Review)


async def review(  # noqa: PLR0913 - the attributes of an access review
    transport: Transport,
    verb: str,
    resource: str,
    *,
    group: str = "",
    namespace: str = "",
    subresource: str = "",
    name: str = "",
) -> bool | None:
    """Tell whether this is allowed; None where that can't be asked.

    With a name it asks for that object: a rule with resourceNames allows nothing else.
    """
    question = _Review(
        spec=_ReviewSpec(
            resource_attributes=_Attributes(
                verb=verb,
                group=group,
                resource=resource,
                subresource=subresource,
                namespace=namespace,
                name=name,
            )
        )
    )
    try:
        async with deadline(REVIEW_SECONDS, f"access review of {verb} {resource}"):
            answer = await transport.review(msgspec.json.encode(question))
        status = decoded(_DECODER, answer).status
    except (ClusterError, msgspec.DecodeError):
        return None
    if status is None:
        return None
    return status.allowed and not status.denied
