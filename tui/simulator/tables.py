"""The Table answers that `kubectl get` prints: the columns of each kind, and a row per object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tui.simulator import cells, podcells
from tui.simulator.objects import KubeObject
from tui.simulator.printing import Cell, age_of
from tui.simulator.resources import Resource
from tui.simulator.shapes import partial_metadata, shaped


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the server describes it."""

    name: str
    is_wide: bool = False
    """Shown with `-o wide` only (priority 1)."""
    type: str = "string"
    description: str = ""

    def definition(self) -> KubeObject:
        """Return the column's entry in the answer."""
        return {
            "name": self.name,
            "type": self.type,
            "format": "name" if self.name == "Name" else "",
            "description": self.description,
            "priority": int(self.is_wide),
        }


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one kind and what fills them."""

    columns: tuple[Column, ...]
    cells: Callable[[KubeObject, float], list[Cell]]


def _columns(text: str) -> tuple[Column, ...]:
    """Build columns from names: `*` marks a wide one, `#` a number, `@` a date."""
    found = []
    for name in text.split("|"):
        kind = "integer" if "#" in name else "date" if "@" in name else "string"
        found.append(Column(name.strip("*#@"), "*" in name, kind))
    return tuple(found)


_WORKLOAD_WIDE = "*Containers|*Images|*Selector"
_LAYOUTS: dict[str, Layout] = {
    "Node": Layout(
        _columns(
            "Name|Status|Roles|Age|Version|*Internal-IP|*External-IP|*OS-Image"
            "|*Kernel-Version|*Container-Runtime"
        ),
        podcells.node,
    ),
    "Pod": Layout(
        _columns("Name|Ready|Status|Restarts|Age|*IP|*Node|*Nominated Node|*Readiness Gates"),
        podcells.pod,
    ),
    "Service": Layout(
        _columns("Name|Type|Cluster-IP|External-IP|Port(s)|Age|*Selector"), cells.service
    ),
    "DaemonSet": Layout(
        _columns(
            "Name|#Desired|#Current|#Ready|#Up-to-date|#Available|Node Selector|Age|"
            + _WORKLOAD_WIDE
        ),
        cells.daemon_set,
    ),
    "Deployment": Layout(
        _columns("Name|Ready|#Up-to-date|#Available|Age|" + _WORKLOAD_WIDE), cells.deployment
    ),
    "ReplicaSet": Layout(
        _columns("Name|#Desired|#Current|#Ready|Age|" + _WORKLOAD_WIDE), cells.replica_set
    ),
    "ControllerRevision": Layout(
        _columns("Name|Controller|#Revision|Age"), cells.controller_revision
    ),
    "ConfigMap": Layout(_columns("Name|Data|Age"), cells.config_map),
    "Secret": Layout(_columns("Name|Type|Data|Age"), cells.secret),
    "ServiceAccount": Layout(_columns("Name|Secrets|Age"), cells.service_account),
    "Namespace": Layout(_columns("Name|Status|Age"), cells.namespace),
    "Event": Layout(
        _columns(
            "Last Seen|Type|Reason|Object|*Subobject|*Source|Message|*First Seen|*#Count|*Name"
        ),
        cells.event,
    ),
    "Endpoints": Layout(_columns("Name|Endpoints|Age"), cells.endpoints),
    "EndpointSlice": Layout(_columns("Name|AddressType|Ports|Endpoints|Age"), cells.endpoint_slice),
    "Lease": Layout(_columns("Name|Holder|Age"), cells.lease),
    "PersistentVolume": Layout(
        _columns(
            "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|Reason|Age"
            "|*VolumeMode"
        ),
        cells.persistent_volume,
    ),
    "PersistentVolumeClaim": Layout(
        _columns("Name|Status|Volume|Capacity|Access Modes|StorageClass|Age|*VolumeMode"),
        cells.persistent_volume_claim,
    ),
    "VolumeAttachment": Layout(
        _columns("Name|Attacher|PV|Node|Attached|Age"), cells.volume_attachment
    ),
    "CiliumNode": Layout(_columns("Name|CiliumInternalIP|InternalIP|@Age"), cells.cilium_node),
}
_GENERIC = Layout(
    _columns("Name|Created At"),
    lambda obj, now: [obj["metadata"]["name"], obj["metadata"]["creationTimestamp"]],
)
_GENERIC_CUSTOM = Layout(
    _columns("Name|@Age"),
    lambda obj, now: [obj["metadata"]["name"], age_of(obj, now)],
)


class TableFormat:
    """Turns objects of one resource into Table answers."""

    def __init__(self, resource: Resource, include_object: str = "Metadata") -> None:
        self._resource = resource
        default = _GENERIC_CUSTOM if resource.is_custom else _GENERIC
        self._layout = _LAYOUTS.get(resource.kind, default)
        self._include_object = include_object

    def table(
        self,
        objects: Sequence[KubeObject],
        metadata: KubeObject,
        now: float,
        has_columns: bool = True,
    ) -> KubeObject:
        """Return the Table; a watch sends the columns with its first event only."""
        columns = [column.definition() for column in self._layout.columns]
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": columns if has_columns else None,
            "rows": [self._row(obj, now) for obj in objects],
        }

    def _row(self, obj: KubeObject, now: float) -> KubeObject:
        row: KubeObject = {"cells": self._layout.cells(obj, now)}
        if self._include_object == "Object":
            row["object"] = shaped(obj, self._resource)
        elif self._include_object != "None":
            row["object"] = partial_metadata(obj)
        return row
