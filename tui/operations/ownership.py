"""Who keeps an object as they want it: Helm and GitOps put a change of it back."""

from __future__ import annotations

from collections.abc import Iterator

from tui.model.operations import Guard
from tui.operations.diffs import Json, part
from tui.operations.situation import warned
from tui.safety import clean

_OWNERS = (
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("meta.helm.sh/release-name", "Helm"),
    ("objectset.rio.cattle.io/id", "Rancher Fleet"),
    ("fleet.cattle.io/bundle-id", "Rancher Fleet"),
    ("config.k8s.io/owning-inventory", "kpt or Config Sync"),
    ("configsync.gke.io/resource-id", "Config Sync"),
    ("kapp.k14s.io/app", "kapp"),
)
"""Labels and annotations by which each marks what it keeps."""
_MANAGED_BY = "app.kubernetes.io/managed-by"
_ADDON_MODE = "addonmanager.kubernetes.io/mode"


def owners_of(item: Json) -> tuple[tuple[str, str], ...]:
    """Return who keeps an object, with the label or annotation that says so."""
    meta = part(item, "metadata")
    marks = {**part(meta, "annotations"), **part(meta, "labels")}
    return tuple(dict.fromkeys(_owners(marks)))


def _owners(marks: Json) -> Iterator[tuple[str, str]]:
    for key, owner in _OWNERS:
        if key in marks:
            yield owner, f"{key}={marks[key]}"
    manager = str(marks.get(_MANAGED_BY, ""))
    if manager and manager != "ciltop":
        yield manager, f"{_MANAGED_BY}={manager}"
    if str(marks.get(_ADDON_MODE, "")) == "Reconcile":
        yield "the addon manager", f"{_ADDON_MODE}=Reconcile"


def owner_guards(item: Json) -> tuple[Guard, ...]:
    """Return the warnings that a change of this object will be put back."""
    name = clean(str(part(item, "metadata").get("name", "")), 200)
    kind = clean(str(item.get("kind", "ConfigMap")), 80)
    found: dict[str, str] = {}
    for owner, mark in owners_of(item):
        found.setdefault(owner, mark)
    return tuple(
        warned("will-be-reverted", f"{kind} {name} is kept by {owner} ({mark}): it puts it back")
        for owner, mark in found.items()
    )
