"""The Lease in Cilium's namespace that keeps a second operator away; a warning where it can't."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tui.cluster.capabilities import LEASE
from tui.cluster.gate import WriteRequest
from tui.errors import (
    BlockedError,
    CiltopError,
    ClusterError,
    ConnectError,
    DeniedError,
    ForbiddenError,
    IdentityError,
    NotFoundError,
    OperationError,
    UnknownOutcomeError,
)
from tui.model.operations import Guard, GuardKind, Permission
from tui.operations.timing import Clock, Timing
from tui.operations.tools import Controls, LeaseHeldError
from tui.operations.writer import Reads, Writes
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.operations.lease")

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class OperationLease:
    """Holds `ciltop` in Cilium's namespace while an operation runs."""

    def __init__(  # noqa: PLR0913 - what a Lease needs
        self,
        session: Reads,
        gate: Writes,
        namespace: str,
        holder: str,
        *,
        clock: Clock,
        timing: Timing,
        dead: frozenset[str] = frozenset(),
    ) -> None:
        """Begin without it.

        Args:
            session: reads it.
            gate: writes it.
            namespace: Cilium's.
            holder: as whom it is held.
            clock: for renewals.
            timing: how long it holds.
            dead: holders that are known to run no more; what they left is free.
        """
        self._dead = dead
        self._session = session
        self._gate = gate
        self._clock = clock
        self._timing = timing
        self._namespace = namespace
        self._holder = holder
        self._held: dict[str, Any] | None = None
        self._taking = asyncio.Lock()
        self._taken_at = 0.0
        self.warning = CleanText("")
        """Why there is none, where it may not be written; empty otherwise."""

    async def acquire(self) -> None:
        """Take the Lease, or note that there is no right to it.

        Raises:
            LeaseHeldError: another operator has it.
            ClusterError: it could not be asked.
        """
        try:
            await self._take()
        except (DeniedError, ForbiddenError) as error:
            self.warning = clean(
                f"no Lease {self._namespace}/{LEASE}: nothing keeps a second operator away "
                f"({error.message})"
            )
            LOG.warning("%s", self.warning)

    async def guards(self) -> list[Guard]:
        """Return what a preview must say: who is at work, or that nobody can be kept away."""
        try:
            found = await self._read()
            if other := self._other(found):
                text = f"another operator is at work on this cluster: {other}"
                return [Guard(GuardKind.BLOCKED, "lease-held", clean(text))]
            request = self._patch(found, {}) if found is not None else self._create()
            if await self._gate.may(request) is not Permission.DENIED:
                return []
            why = f"no right to {request.verb} it"
        except ForbiddenError as error:
            why = error.message
        except ClusterError as error:
            LOG.info("the Lease can't be read: %s", error.message)
            return []
        text = f"no Lease {self._namespace}/{LEASE} ({why}): nothing keeps a second operator away"
        return [Guard(GuardKind.WARNED, "no-lease", clean(text))]

    async def holder(self) -> CleanText:
        """Return who holds it now, other than this operation; empty: nobody, or nobody can say."""
        try:
            found = await self._read()
        except ClusterError as error:
            LOG.info("the Lease can't be read: %s", error.message)
            return CleanText("")
        return self._other(found)

    async def keep(self, controls: Controls) -> None:
        """Renew it for ever; whoever took it meanwhile stops the operation."""
        controls.renew = self.renew
        while True:
            await self._clock.sleep(self._timing.renew)
            if self._held is None:
                continue
            try:
                await self._take()
            except LeaseHeldError as error:
                controls.lost_lease = error.message
                return
            except CiltopError as error:
                # The next renewal reads it anew, and finds out whether somebody took it.
                LOG.warning("the Lease was not renewed: %s", error.message)

    async def renew(self) -> None:
        """Return while nobody else can have it; renew it first where it may have run out.

        A lost API, or a machine that slept, gives another operator the time to take it.

        Raises:
            LeaseHeldError: somebody has taken it.
            CiltopError: whether somebody has could not be found out.
        """
        age = self._clock.time() - self._taken_at
        if self._held is None or 0 <= age < self._timing.lease - self._timing.renew:
            return
        try:
            await self._take()
        except UnknownOutcomeError as error:
            # It is not the write that it stands before whose outcome is unknown.
            raise ConnectError(f"the Lease was not renewed: {error.message}") from error

    async def release(self) -> None:
        """Give it back; where that fails it runs out by itself."""
        if self._held is None:
            return
        try:
            found = await self._read()
            if found is not None and _spec(found).get("holderIdentity") == self._holder:
                spec = {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._gate.write(self._patch(found, spec))
        except CiltopError as error:
            LOG.info("the Lease was not given back: %s", error.message)
        self._held = None

    async def _take(self) -> None:
        async with self._taking:
            asked_at = self._clock.time()
            await self._take_now()
            self._taken_at = asked_at

    async def _take_now(self) -> None:
        found = await self._read()
        if other := self._other(found):
            raise LeaseHeldError(f"another operator is at work on this cluster: {other}")
        try:
            if found is None:
                self._held = await self._gate.write(self._create())
            else:
                self._held = await self._gate.write(self._patch(found, self._spec(found)))
        except UnknownOutcomeError:
            found = await self._read()
            if found is None or _spec(found).get("holderIdentity") != self._holder:
                raise
            self._held = found
        except IdentityError as error:
            other = self._other(await self._read()) or error.message
            raise LeaseHeldError(f"another operator took the Lease meanwhile: {other}") from error
        except (DeniedError, BlockedError):
            raise
        except OperationError as error:
            raise BlockedError(f"no Lease, nothing was begun: {error.message}") from error

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._session.get_json(self._request().object_path, dict[str, Any])
        except NotFoundError:
            return None

    def _other(self, found: Mapping[str, Any] | None) -> CleanText:
        """Return who else holds the Lease and since when, or the empty text."""
        spec = _spec(found)
        holder = str(spec.get("holderIdentity") or "")
        if not holder or holder == self._holder or holder in self._dead:
            return CleanText("")
        seconds = float(spec.get("leaseDurationSeconds") or self._timing.lease)
        renewed = _moment(str(spec.get("renewTime") or ""))
        # A clock ahead of ours makes it last longer, never shorter.
        if renewed is not None and renewed + seconds < self._clock.time():
            return CleanText("")
        since = spec.get("acquireTime") or "an unknown time"
        left = seconds if renewed is None else renewed + seconds - self._clock.time()
        return clean(
            f"{holder}, since {since}; without a sign of life its Lease ends in {left:.0f} s"
        )

    def _create(self) -> WriteRequest:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE, "namespace": self._namespace},
            "spec": self._spec(None),
        }
        return replace(self._request(), verb="create", body=body)

    def _patch(self, found: Mapping[str, Any], spec: Mapping[str, Any]) -> WriteRequest:
        metadata = found.get("metadata") or {}
        return replace(
            self._request(),
            verb="patch",
            patch_type="merge",
            body={"spec": dict(spec)},
            uid=str(metadata.get("uid", "")),
            resource_version=str(metadata.get("resourceVersion", "")),
        )

    def _request(self) -> WriteRequest:
        group = "coordination.k8s.io"
        return WriteRequest("delete", group, "v1", "leases", self._namespace, LEASE)

    def _spec(self, found: Mapping[str, Any] | None) -> dict[str, Any]:
        before = _spec(found)
        now = datetime.fromtimestamp(self._clock.time(), UTC).strftime(_FORMAT)
        is_ours = before.get("holderIdentity") == self._holder
        transitions = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": int(self._timing.lease),
            "acquireTime": before.get("acquireTime") if is_ours else now,
            "renewTime": now,
            "leaseTransitions": transitions if is_ours or found is None else transitions + 1,
        }


def _spec(found: Mapping[str, Any] | None) -> Mapping[str, Any]:
    spec = (found or {}).get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
