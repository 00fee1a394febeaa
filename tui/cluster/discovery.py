"""Find Cilium: its namespace, its DaemonSets, and which APIs this cluster has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tui.cluster import kinds
from tui.cluster.config_objects import daemonset
from tui.cluster.kinds import Entity
from tui.cluster.session import Session
from tui.errors import CiliumMissingError, ClusterError, ForbiddenError, NotFoundError
from tui.model.cluster import CiliumDaemonSet
from tui.safety import CleanText, clean

DEFAULT_SELECTOR = "k8s-app=cilium"
USUAL_NAMESPACES = ("kube-system", "cilium")
_SAMPLE_PODS = 200
"""Pods of one page are enough to know the namespaces."""


@dataclass(frozen=True, slots=True)
class CiliumFound:
    """Where Cilium runs."""

    namespace: CleanText
    selector: str
    daemonsets: tuple[CiliumDaemonSet, ...] = ()
    daemonset_error: CleanText = CleanText("")
    """Why the DaemonSets could not be read; empty when they were."""
    is_daemonset_denied: bool = False
    other_namespaces: tuple[CleanText, ...] = ()
    """Further namespaces with pods of the same selector."""


class _GroupVersion(Entity, frozen=True):
    version: str = ""


class _ApiGroup(Entity, frozen=True):
    versions: list[_GroupVersion] | None = None


class _ApiResource(Entity, frozen=True):
    name: str = ""


class _ApiResources(Entity, frozen=True):
    resources: list[_ApiResource] | None = None


class _Version(Entity, frozen=True):
    git_version: str = ""


async def find_cilium(
    session: Session, *, namespace: str | None = None, selector: str = DEFAULT_SELECTOR
) -> CiliumFound:
    """Find the namespace with agent pods, and the DaemonSets behind them.

    Raises:
        CiliumMissingError: there are none; says what was looked for and how to point at it.
        ForbiddenError: pods may not be listed anywhere it was looked.
    """
    owners = await _owners_by_namespace(session, namespace, selector)
    ranked = sorted(owners, key=lambda name: (name != "kube-system", -sum(owners[name].values())))
    chosen = ranked[0]
    try:
        daemonsets = await _daemonsets(session, chosen, selector, set(owners[chosen]))
        error, is_denied = CleanText(""), False
    except ClusterError as failure:
        daemonsets = tuple(
            CiliumDaemonSet(clean(name), clean(chosen)) for name in owners[chosen] if name
        )
        error, is_denied = failure.message, isinstance(failure, ForbiddenError)
    return CiliumFound(
        namespace=clean(chosen),
        selector=selector,
        daemonsets=daemonsets,
        daemonset_error=error,
        is_daemonset_denied=is_denied,
        other_namespaces=tuple(clean(name) for name in ranked[1:]),
    )


async def endpoint_slice_path(session: Session) -> str | None:
    """Return the path of EndpointSlices, v1 before v1beta1; None where only Endpoints exist."""
    try:
        group = await session.get_json("/apis/discovery.k8s.io", _ApiGroup)
    except NotFoundError:
        return None
    versions = {entry.version for entry in group.versions or ()}
    for version in ("v1", "v1beta1"):
        if version in versions:
            return f"/apis/discovery.k8s.io/{version}/endpointslices"
    return None


async def node_config_path(session: Session) -> str | None:
    """Return the path of CiliumNodeConfigs (Cilium 1.13 and later); None without them."""
    for version in ("v2", "v2alpha1"):
        try:
            found = await session.get_json(f"/apis/cilium.io/{version}", _ApiResources)
        except NotFoundError:
            continue
        if any(resource.name == "ciliumnodeconfigs" for resource in found.resources or ()):
            return f"/apis/cilium.io/{version}/ciliumnodeconfigs"
    return None


async def kubernetes_version(session: Session) -> CleanText:
    """Return the API server's version, such as `v1.33.1`."""
    return clean((await session.get_json("/version", _Version)).git_version)


async def _owners_by_namespace(
    session: Session, namespace: str | None, selector: str
) -> dict[str, Counter[str]]:
    """Return, per namespace with matching pods, how many each DaemonSet owns."""
    places = [namespace] if namespace else [""]
    if not namespace:
        places += [*USUAL_NAMESPACES, session.namespace]
    owners: dict[str, Counter[str]] = {}
    denied: ForbiddenError | None = None
    looked: list[str] = []
    for place in dict.fromkeys(places):
        try:
            pods = await _sample_pods(session, place, selector)
        except ForbiddenError as error:
            denied = error
            continue
        looked.append(f"namespace {place}" if place else "all namespaces")
        for pod in pods:
            counts = owners.setdefault(pod.metadata.namespace or place, Counter())
            counts[_owner(pod)] += 1
        if owners or not place:
            break
    if owners:
        return owners
    if not looked and denied is not None:
        raise denied
    where = ", ".join(looked)
    note = f"; {denied.message}" if denied is not None else ""
    raise CiliumMissingError(
        f"no Cilium found: no pods with {selector} in {where} of {session.server}; point at it "
        f"with -n NAMESPACE and -l SELECTOR, or choose another cluster with --context{note}"
    )


async def _sample_pods(session: Session, namespace: str, selector: str) -> tuple[kinds.Pod, ...]:
    path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
    page = await session.get_page(
        path, kinds.Pod, params={"labelSelector": selector, "limit": _SAMPLE_PODS}
    )
    return page.items


def _owner(pod: kinds.Pod) -> str:
    owners = pod.metadata.owner_references or ()
    return next((owner.name for owner in owners if owner.kind == "DaemonSet"), "")


async def _daemonsets(
    session: Session, namespace: str, selector: str, owners: set[str]
) -> tuple[CiliumDaemonSet, ...]:
    listing = await session.list_pages(
        f"/apis/apps/v1/namespaces/{namespace}/daemonsets", kinds.DaemonSet
    )
    return tuple(
        daemonset(item)
        for item in listing.items
        if item.metadata.name in owners or _makes(item, selector)
    )


def _makes(item: kinds.DaemonSet, selector: str) -> bool:
    """Tell whether a DaemonSet's pods would match, for those that have none yet."""
    template = item.spec.template if item.spec is not None else None
    labels = (template.metadata.labels if template is not None else None) or {}
    terms = [term.partition("=") for term in selector.split(",")]
    return all(
        equals and labels.get(key.strip("! ")) == value.lstrip("=").strip()
        for key, equals, value in terms
    )
