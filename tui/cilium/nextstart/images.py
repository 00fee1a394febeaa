"""Which image runs, and which one the DaemonSet's current revision would start."""

from __future__ import annotations

from dataclasses import dataclass

from tui.cilium.releases import Release, release_of_image
from tui.model.cluster import CiliumDaemonSet, ClusterFacts, DaemonSetRevision
from tui.model.node import AgentPod
from tui.safety import CleanText

_NONE = CleanText("")


@dataclass(frozen=True, slots=True)
class Images:
    """The image now and at the next start; both empty where nothing says that they differ."""

    now: CleanText
    next: CleanText
    running_release: Release | None
    next_release: Release | None
    """The running one where the image stays."""


def daemonset_of(agent: AgentPod | None, cluster: ClusterFacts) -> CiliumDaemonSet | None:
    """Return the DaemonSet of an agent's pod; the only one where the pod does not tell."""
    known = cluster.daemonsets.value or ()
    if agent is not None and agent.daemonset:
        named = [one for one in known if one.name == agent.daemonset]
        same_place = [one for one in named if one.namespace == agent.namespace]
        return next(iter(same_place or named), None)
    return known[0] if len(known) == 1 else None


def images_of(
    agent: AgentPod | None, daemonset: CiliumDaemonSet | None, cluster: ClusterFacts
) -> Images:
    """Compare the pod's image with that of the DaemonSet's current revision.

    The pod's `controller-revision-hash` decides where revisions are known; else the references
    are compared, without what a registry or a runtime adds.
    """
    running = agent.image if agent is not None else _NONE
    release = release_of_image(running)
    if daemonset is None or agent is None:
        return Images(_NONE, _NONE, release, release)
    revisions = _revisions(daemonset, cluster)
    current = max(revisions, key=lambda one: one.revision, default=None)
    following = daemonset.image or (current.image if current is not None else _NONE)
    if not following or not running or _same(running, following):
        return Images(_NONE, _NONE, release, release or release_of_image(following))
    is_current = (
        current is not None
        and bool(agent.revision)
        and current.hash == agent.revision
        and _same(current.image, following)
    )
    if is_current:  # an admission webhook put a mirror's name into the pod
        return Images(_NONE, _NONE, release, release or release_of_image(following))
    return Images(running, following, release, release_of_image(following))


def _revisions(daemonset: CiliumDaemonSet, cluster: ClusterFacts) -> list[DaemonSetRevision]:
    return [one for one in cluster.revisions.value or () if one.daemonset == daemonset.name]


def _same(one: str, other: str) -> bool:
    left, right = _parts(one), _parts(other)
    if left[2] and right[2]:
        return left[2] == right[2]
    return left[:2] == right[:2]


def _parts(reference: str) -> tuple[str, str, str]:
    """Split an image reference into name, tag and digest."""
    name, _, digest = reference.strip().partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, ""
    return path.removeprefix("docker.io/").removeprefix("library/"), tag, digest
