"""What a plan asks of the cluster: reads, access reviews and dry runs; nothing that stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, get_args

import msgspec

from tui.cluster.gate import Gate, PatchType, Verb, WriteRequest
from tui.cluster.session import Session
from tui.model.operations import Permission, PlannedWrite

T = TypeVar("T")

_VERBS: dict[str, Verb] = {verb: verb for verb in get_args(Verb)}
_PATCHES: dict[str, PatchType] = {kind: kind for kind in get_args(PatchType)}


class Reader(Protocol):
    """The cluster as a plan sees it."""

    async def get_json(self, path: str, decoder_type: type[T]) -> T:
        """GET and decode one document."""
        ...

    async def may(self, request: WriteRequest) -> Permission:
        """Ask the access review; unknown where it can't be asked."""
        ...

    async def dry_run(self, request: WriteRequest) -> Mapping[str, Any]:
        """Return the object as a write would leave it."""
        ...


class ClusterReader:
    """A `Reader` of a session and its gate."""

    def __init__(self, session: Session, gate: Gate) -> None:
        self._session = session
        self._gate = gate

    async def get_json(self, path: str, decoder_type: type[T]) -> T:
        """GET and decode one document."""
        return await self._session.get_json(path, decoder_type)

    async def may(self, request: WriteRequest) -> Permission:
        """Ask the access review."""
        return await self._gate.may(request)

    async def dry_run(self, request: WriteRequest) -> Mapping[str, Any]:
        """Try a write without keeping it."""
        return await self._gate.dry_run(request)


def request_of(write: PlannedWrite) -> WriteRequest:
    """Return the request that a planned write stands for; the gate takes it as it is.

    Raises:
        ValueError: the write's verb or patch type is none that the gate knows.
    """
    if write.verb not in _VERBS or write.patch_type not in _PATCHES:
        raise ValueError(f"{write.id}: {write.verb} {write.patch_type} is no write")
    body: dict[str, Any] | None = None
    if write.body:
        body = msgspec.json.decode(write.body, type=dict[str, Any])
    return WriteRequest(
        _VERBS[write.verb],
        write.group,
        write.version or "v1",
        write.resource,
        str(write.namespace),
        str(write.name),
        body,
        _PATCHES[write.patch_type],
        write.uid,
        write.resource_version,
    )
