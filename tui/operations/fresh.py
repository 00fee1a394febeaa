"""What a plan reads anew before it is made: the objects that the next start reads, as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from tui.cilium.nextstart.layers import CONFIG_MAP
from tui.cluster import kinds
from tui.cluster.config_objects import NodeConfigObject, config_map, node_config
from tui.errors import ClusterError, NotFoundError
from tui.model.cluster import CiliumConfigMap, ClusterFacts
from tui.model.operations import Guard
from tui.model.reading import Origin, Reading, ReadingState
from tui.model.snapshot import Snapshot
from tui.operations.changes import GROUP, NODE_CONFIGS
from tui.operations.diffs import Json, is_object, part
from tui.operations.reader import Reader
from tui.operations.situation import warned
from tui.safety import clean

DEFAULT_NAMESPACE = "kube-system"
_VERSIONS = ("v2", "v2alpha1")
"""`v2` is served from 1.16 on; `v2alpha1` came with 1.13 and goes with 1.20."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A snapshot with its configuration read anew, and the objects themselves."""

    snapshot: Snapshot
    config_map: Json | None = None
    node_configs: Mapping[str, Json] = field(default_factory=dict)
    """By UID."""
    version: str = ""
    """API version of CiliumNodeConfigs; empty where the API server has no such kind."""
    guards: tuple[Guard, ...] = ()
    """What could not be read anew."""

    @property
    def namespace(self) -> str:
        """Cilium's namespace."""
        return str(self.snapshot.cluster.cilium_namespace) or DEFAULT_NAMESPACE


async def read_fresh(snapshot: Snapshot, reader: Reader) -> Fresh:
    """Read ConfigMap and CiliumNodeConfigs; where that fails the snapshot's are kept, with a guard.

    Raises:
        CredentialError: nothing can be asked at all.
    """
    cluster = snapshot.cluster
    namespace = str(cluster.cilium_namespace) or DEFAULT_NAMESPACE
    guards: list[Guard] = []
    held: Json | None = None
    path = f"/api/v1/namespaces/{namespace}/configmaps/{CONFIG_MAP}"
    try:
        held = await reader.get_json(path, dict[str, object])
        cluster = replace(cluster, config_map=_config_map(held, path, snapshot.taken_at))
    except ClusterError as error:
        guards.append(_unread(f"ConfigMap {CONFIG_MAP}", error))
    version, configs = "", dict[str, Json]()
    try:
        version = await _version(reader)
        if version:
            path = f"/apis/{GROUP}/{version}/namespaces/{namespace}/{NODE_CONFIGS}"
            configs = _items(await reader.get_json(path, dict[str, object]))
            cluster = _with_node_configs(cluster, configs, path, snapshot.taken_at)
    except ClusterError as error:
        guards.append(_unread("CiliumNodeConfigs", error))
    return Fresh(replace(snapshot, cluster=cluster), held, configs, version, tuple(guards))


def _unread(what: str, error: ClusterError) -> Guard:
    return warned("not-fresh", f"{what}: could not be read anew: {error.message}")


async def _version(reader: Reader) -> str:
    for version in _VERSIONS:
        try:
            found = await reader.get_json(f"/apis/{GROUP}/{version}", dict[str, object])
        except NotFoundError:
            continue
        resources = found.get("resources")
        for one in resources if isinstance(resources, list) else ():
            if is_object(one) and one.get("name") == NODE_CONFIGS:
                return version
    return ""


def _items(listing: Json) -> dict[str, Json]:
    items = listing.get("items")
    found = [one for one in items if is_object(one)] if isinstance(items, list) else []
    return {str(part(one, "metadata").get("uid", "")): one for one in found}


def _origin(path: str, at: float) -> Origin:
    return Origin(clean(f"GET {path}", 300), at)


def _config_map(held: Json, path: str, at: float) -> Reading[CiliumConfigMap]:
    made = config_map(msgspec.convert(held, kinds.ConfigMap, strict=False))
    return Reading.known(made, _origin(path, at))


def _with_node_configs(
    cluster: ClusterFacts, configs: Mapping[str, Json], path: str, at: float
) -> ClusterFacts:
    """Put the configs of Cilium's namespace anew among those of others, which agents don't read."""
    namespace = path.split("/namespaces/")[1].partition("/")[0]
    reading = cluster.node_configs
    elsewhere = [one for one in reading.value or () if one.namespace != namespace]
    made = (
        node_config(msgspec.convert(one, NodeConfigObject, strict=False))
        for one in configs.values()
    )
    ordered = tuple(sorted((*elsewhere, *made), key=lambda one: str(one.name)))
    fresh = replace(
        reading, state=ReadingState.KNOWN, value=ordered, origin=_origin(path, at), reason=clean("")
    )
    return replace(cluster, node_configs=fresh)
