"""The only thing that writes to a cluster.

Every write passes the same doors in the same order: armed, in the capability table, access
review, identity, server-side dry run, armed still. Nothing else in the program sends anything but
GET, and access reviews, which are questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from tui.cluster import lists
from tui.cluster.arming import Arming
from tui.cluster.capabilities import write_capability
from tui.cluster.kinds import KubeObject
from tui.cluster.refusals import refusal
from tui.cluster.reviews import review
from tui.cluster.transport import Transport
from tui.errors import (
    ApiError,
    BlockedError,
    DeniedError,
    ForbiddenError,
    IdentityError,
    NotFoundError,
    UnknownOutcomeError,
)
from tui.model.operations import Permission

FIELD_MANAGER = "ciltop"
WRITE_SECONDS = 30.0
"""Longer than webhooks may take (10 s by default, 30 s at most); then the outcome is unknown."""

Verb = Literal["create", "patch", "delete"]
PatchType = Literal["merge", "strategic", "json", ""]

_METHODS: dict[Verb, str] = {"create": "POST", "patch": "PATCH", "delete": "DELETE"}
_JSON = "application/json"
_CONTENT_TYPES: dict[PatchType, str] = {
    "": _JSON,
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_PERMISSIONS = {True: Permission.ALLOWED, False: Permission.DENIED, None: Permission.UNKNOWN}


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One write, as it is planned.

    Leave `resource_version` empty where only the object counts and not what it holds, such as a
    pod, whose status changes by itself: then the one found before the write is used.
    """

    verb: Verb
    group: str
    """Empty for the core group."""
    version: str
    resource: str
    namespace: str
    """Empty for what has none."""
    name: str
    """May be empty for a create with `generateName`."""
    body: Mapping[str, Any] | list[Any] | None = None
    """The object to create, or the patch; a list for a JSON patch."""
    patch_type: PatchType = ""
    uid: str = ""
    """Of the object that is meant; needed for patch and delete."""
    resource_version: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        """The path it is sent to, without a query."""
        return self._collection if self.verb == "create" else self.object_path

    @property
    def object_path(self) -> str:
        """The path of the object itself: what reads it back."""
        path = f"{self._collection}/{quote(self.name, safe='')}"
        return f"{path}/{self.subresource}" if self.subresource else path

    @property
    def _collection(self) -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{quote(self.namespace, safe='')}" if self.namespace else ""
        return f"{root}{place}/{self.resource}"

    @property
    def title(self) -> str:
        """What it is in words, such as `delete pods kube-system/cilium-abcde`."""
        name = self.name or "(generated name)"
        right = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return (
            f"{self.verb} {right} {self.namespace}/{name}"
            if self.namespace
            else (f"{self.verb} {right} {name}")
        )


class Gate:
    """Ask for, try and make changes; it belongs to its session's event loop."""

    def __init__(self, transport: Transport, arming: Arming) -> None:
        self._transport = transport
        self.arming = arming

    async def may(self, request: WriteRequest) -> Permission:
        """Ask the access review; unknown where it can't be asked, which is not denied."""
        return _PERMISSIONS[
            await review(
                self._transport,
                request.verb,
                request.resource,
                group=request.group,
                namespace=request.namespace,
                subresource=request.subresource,
                name="" if request.verb == "create" else request.name,
            )
        ]

    async def dry_run(self, request: WriteRequest) -> dict[str, Any]:
        """Have the server try it without keeping it; return the object as it would be.

        An unarmed session may: it is the preview's. A read-only one may not.

        Raises:
            OperationError: it would be refused: DeniedError, AdmissionError, RefusedError,
                IdentityError, WriteConflictError, BlockedError, NotArmedError (read-only).
            ClusterError: the server could not be asked.
        """
        self.arming.check_dry_run()
        _check_form(request)
        return await self._send(request, is_dry_run=True)

    async def write(self, request: WriteRequest) -> dict[str, Any]:
        """Make a change, if every door is open; return what the server answers.

        That is the object as it is now; for a delete of anything but a pod, a Status. A write
        that is cancelled after it was sent has an unknown outcome as well.

        Raises:
            UnknownOutcomeError: it was sent and may have been made; read back before anything.
            OperationError: nothing was changed, and why, as in `dry_run`.
            ClusterError: nothing was changed, the server could not be asked.
        """
        self.arming.check()
        _check_form(request)
        await self._check_right(request)
        pinned = await self._identified(request)
        await self._send(pinned, is_dry_run=True)
        self.arming.check()
        written = await self._send(pinned, is_dry_run=False)
        self.arming.touch()
        return written

    async def _check_right(self, request: WriteRequest) -> None:
        if await self.may(request) is Permission.DENIED:
            raise DeniedError(
                f"no right to {request.title}: the access review says no; ask for the verb "
                f"{request.verb} on {request.resource} (ciltop rbac operator)",
                request.verb,
                request.resource,
            )

    async def _identified(self, request: WriteRequest) -> WriteRequest:
        """Return the request with the version found now, if it is still the same object."""
        if request.verb == "create":
            return request
        target = replace(request, subresource="").object_path
        try:
            found = (await lists.get_json(self._transport, target, KubeObject)).metadata
        except NotFoundError as error:
            raise IdentityError(
                f"{request.title}: it is gone: planned on UID {request.uid}; plan again"
            ) from error
        except ForbiddenError as error:
            raise DeniedError(error.message, error.verb, error.resource) from error
        _check_identity(request, found.uid, found.resource_version)
        if found.deletion_timestamp:
            raise IdentityError(
                f"{request.title}: it is being deleted already; plan again",
                found.uid,
                found.resource_version,
            )
        return replace(request, resource_version=found.resource_version)

    async def _send(self, request: WriteRequest, *, is_dry_run: bool) -> dict[str, Any]:
        try:
            answer = await self._transport.change(
                _METHODS[request.verb],
                f"{request.path}{_query(request, is_dry_run)}",
                msgspec.json.encode(_body(request, is_dry_run)),
                _CONTENT_TYPES[request.patch_type],
                deadline_seconds=WRITE_SECONDS,
            )
            return msgspec.json.decode(answer, type=dict[str, Any])
        except ApiError as error:
            raise refusal(error, request.title, is_dry_run=is_dry_run) from error
        except UnknownOutcomeError as error:
            if is_dry_run and isinstance(error.__cause__, Exception):
                raise error.__cause__ from None
            raise
        except msgspec.DecodeError as error:
            said = f"{request.title}: the answer is a success, but can't be read ({error})"
            if is_dry_run:
                raise ApiError(said) from error
            raise UnknownOutcomeError(f"{said}; read it back first") from error


def _check_form(request: WriteRequest) -> None:
    """Refuse what ciltop never writes, and requests that don't say what they are meant for.

    Raises:
        BlockedError: it is not in the capability table.
        ValueError: the caller made a mistake.
    """
    if not write_capability(
        request.verb, request.group, request.resource, request.name, request.subresource
    ):
        raise BlockedError(f"{request.title}: ciltop never writes this")
    if request.verb == "create":
        if request.uid or request.resource_version or not isinstance(request.body, Mapping):
            raise ValueError(f"{request.title}: a create needs an object, and no identity")
        return
    if not request.uid or not request.name:
        raise ValueError(f"{request.title}: without the UID of the object that is meant")
    is_patch = request.verb == "patch"
    if is_patch != bool(request.patch_type) or is_patch != (request.body is not None):
        raise ValueError(f"{request.title}: a patch needs a body and its type, a delete neither")
    if is_patch and (request.patch_type == "json") is not isinstance(request.body, list):
        raise ValueError(f"{request.title}: a JSON patch is a list, the others are objects")


def _check_identity(request: WriteRequest, uid: str, version: str) -> None:
    if uid == request.uid and request.resource_version in ("", version):
        return
    how = "was changed" if uid == request.uid else "was replaced by another object"
    planned = f"UID {request.uid} version {request.resource_version or 'any'}"
    raise IdentityError(
        f"{request.title}: it {how} meanwhile: planned on {planned}, "
        f"found UID {uid} version {version}; plan again",
        uid,
        version,
    )


def _query(request: WriteRequest, is_dry_run: bool) -> str:
    asked: dict[str, str] = {}
    if request.verb != "delete":
        asked["fieldManager"] = FIELD_MANAGER
    if request.verb == "create":
        # Else a misspelt field is dropped: a CiliumNodeConfig without its nodeSelector.
        asked["fieldValidation"] = "Strict"
    if is_dry_run:
        asked["dryRun"] = "All"
    return f"?{urlencode(asked)}" if asked else ""


def _body(request: WriteRequest, is_dry_run: bool) -> object:
    """Return the body, with the identity in it so that the server compares it as well."""
    identity = {"uid": request.uid}
    if request.resource_version:
        identity["resourceVersion"] = request.resource_version
    if request.verb == "delete":
        # A DELETE with a body has its query ignored (k8s.io/apiserver handlers/delete.go): a dry
        # run that is named in the query only would delete.
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": identity}
        return {**options, "dryRun": ["All"]} if is_dry_run else options
    if isinstance(request.body, list):
        steps = [
            {"op": "replace", "path": f"/metadata/{key}", "value": value}
            for key, value in identity.items()
        ]
        return [*steps, *request.body]
    body = dict(request.body or {})
    if request.verb == "patch":
        body["metadata"] = {**(body.get("metadata") or {}), **identity}
    return body
