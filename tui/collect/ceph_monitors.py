"""Find the monitors behind a Ceph volume's clusterID in the ConfigMaps of its CSI driver."""

from __future__ import annotations

from collections.abc import Iterable

from tui.cluster.kinds import ConfigMap, Entity
from tui.collect.sifting import Lists, Params
from tui.collect.volume_book import CEPH_CONFIG_MAPS, CephCluster, ceph_monitors
from tui.errors import ClusterError, NotFoundError
from tui.safety import CleanText

MOST_NAMESPACES = 10
NOT_FOUND = CleanText(f"it is in no ConfigMap {' or '.join(CEPH_CONFIG_MAPS)}")

Monitors = dict[str, tuple[CleanText, ...]]
"""By clusterID: addresses or names, without ports."""


class _ConfigMaps(Entity, frozen=True):
    items: list[ConfigMap] | None = None


async def read_monitors(
    session: Lists, clusters: Iterable[CephCluster]
) -> tuple[Monitors, CleanText]:
    """Return the monitors by clusterID, and why one that is missing was not found.

    The driver's namespace is asked first; where it can't be guessed, all namespaces are.
    """
    wanted = list(clusters)
    found: Monitors = {}
    reason = NOT_FOUND
    namespaces = dict.fromkeys(name for one in wanted for name in one.namespaces)
    for namespace in list(namespaces)[:MOST_NAMESPACES]:
        for name, key in CEPH_CONFIG_MAPS.items():
            try:
                path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
                one = await session.get_json(path, ConfigMap)
            except NotFoundError:
                continue
            except ClusterError as error:
                reason = error.message
                continue
            found.update(ceph_monitors((one.data or {}).get(key, "")))
    if all(one.cluster_id in found for one in wanted):
        return found, reason
    for name, key in CEPH_CONFIG_MAPS.items():
        try:
            params: Params = {"fieldSelector": f"metadata.name={name}", "limit": 50}
            listed = await session.get_json("/api/v1/configmaps", _ConfigMaps, params=params)
        except ClusterError as error:
            return found, error.message
        for one in listed.items or ():
            found.update(ceph_monitors((one.data or {}).get(key, "")))
    return found, reason
