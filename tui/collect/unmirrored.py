"""Find Endpoints that no EndpointSlice mirrors: Cilium sees no backends there.

Mirroring came with Kubernetes 1.19; later ones leave out Endpoints with the label `skip-mirror`,
with a leader election's annotation, and each address of a subset beyond the thousandth.
"""

from __future__ import annotations

from collections.abc import Mapping

from tui.cluster.config_objects import config_writes
from tui.cluster.objects import epoch
from tui.cluster.workload_kinds import WrittenEndpoints
from tui.collect.sifting import Lists
from tui.collect.wants import MOST_MIRRORED, ServiceKey
from tui.errors import NotFoundError
from tui.model.workloads import UnmirroredEndpoints
from tui.safety import CleanText, clean

MOST_SERVICES = 50
"""Services whose Endpoints are asked for, one request each."""
SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"
MIRRORING_SECONDS = 5.0
"""Endpoints that are younger may still be mirrored."""


async def read_unmirrored(
    session: Lists, services: Mapping[ServiceKey, bool], now: float
) -> tuple[tuple[UnmirroredEndpoints, ...], int]:
    """Return the Endpoints with addresses that slices lack, and how many Services were left out.

    Args:
        session: The cluster.
        services: Services without selector, and whether they have slices, which are full then.
        now: Seconds since the epoch.

    Raises:
        ClusterError: Endpoints can't be read.
    """
    found: list[UnmirroredEndpoints] = []
    ordered = sorted(services.items(), key=lambda entry: (entry[1], entry[0]))
    for (namespace, name), has_slices in ordered[:MOST_SERVICES]:
        try:
            path = f"/api/v1/namespaces/{namespace}/endpoints/{name}"
            item = await session.get_json(path, WrittenEndpoints)
        except NotFoundError:
            continue
        endpoints = unmirrored(item, now, has_slices=has_slices)
        if endpoints is not None:
            found.append(endpoints)
    return tuple(found), max(0, len(services) - MOST_SERVICES)


def unmirrored(
    item: WrittenEndpoints, now: float, *, has_slices: bool = False
) -> UnmirroredEndpoints | None:
    """Return Endpoints whose addresses no slice mirrors, or not all; None where all is well.

    Args:
        item: The Endpoints.
        now: Seconds since the epoch.
        has_slices: Whether there are slices: then only a subset that is too large matters.
    """
    sizes = [len(subset.addresses or ()) for subset in item.subsets or ()]
    created_at = epoch(item.metadata.creation_timestamp)
    is_fresh = created_at is not None and 0.0 <= now - created_at < MIRRORING_SECONDS
    if not any(sizes) or is_fresh or (has_slices and max(sizes) <= MOST_MIRRORED):
        return None
    writes = config_writes(item.metadata)
    return UnmirroredEndpoints(
        service=clean(f"{item.metadata.namespace}/{item.metadata.name}"),
        addresses=sum(sizes),
        largest_subset=max(sizes),
        is_skipped=(item.metadata.labels or {}).get(SKIP_LABEL) == "true",
        is_leader_lock=LEADER_ANNOTATION in (item.metadata.annotations or {}),
        manager=writes[0].manager if writes else CleanText(""),
    )
