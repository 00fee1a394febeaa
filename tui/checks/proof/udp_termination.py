"""What keeps an agent from ending sockets to deleted backends: release, option, kernel, map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tui.checks.phrases import percent
from tui.checks.proof.mapfacts import NEARLY_FULL_RATIO, count_evidence
from tui.checks.proof.sources import log_lines, of_running_agent, option_evidence, version_evidence
from tui.checks.remedies.map_remedy import remedy_for
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.model.features import FeatureState
from tui.model.findings import ConfigSetting, Evidence, ProofKind
from tui.model.maps import MapUsage
from tui.safety import CleanText, clean

KERNEL_OPTIONS = (
    "the kernel has CONFIG_INET_DIAG, CONFIG_INET_UDP_DIAG and CONFIG_INET_DIAG_DESTROY"
)
TERMINATION_OPTION = "bpf-lb-sock-terminate-pod-connections"
_HOSTNS_OPTION = "bpf-lb-sock-hostns-only"
_NETLINK = ("inet-diag", "inet-udp-diag", "inet-diag-destroy")
_DESTROYER = "bpf-sock-destroy"


@dataclass(frozen=True, slots=True)
class Hole:
    """One reason why sockets outlive their backend here."""

    text: str
    evidence: tuple[Evidence, ...] = ()
    lasting: tuple[CleanText, ...] = ()
    settings: tuple[ConfigSetting, ...] = ()
    is_minor: bool = False
    """Whether it concerns processes of the host only."""


def is_host_only(view: NodeView) -> bool:
    """Tell whether socket-LB is kept to the host: the status' word, else the option's."""
    if view.kpr is not None and view.kpr.socket_lb_coverage:
        return view.kpr.socket_lb_coverage.lower() == "hostns-only"
    return view.flag(_HOSTNS_OPTION) is True


def holes_of(view: NodeView) -> tuple[Hole, ...]:
    """Return why sockets are not ended, worst first; none where the release is not known."""
    if view.release is None:
        return ()
    return tuple(_holes(view))


def _holes(view: NodeView) -> Iterator[Hole]:
    release, host_only = view.release, is_host_only(view)
    if release is None:
        return
    version = (version_evidence(view),)
    upgrade = (CleanText("upgrade to 1.16 or later, which ends the sockets of pods too"),)
    if not release.at_least(1, 15):
        whose = "of host processes" if host_only else ""
        text = f"{release} ends no sockets {whose}".rstrip() + " to deleted backends"
        yield Hole(text, version, upgrade, is_minor=host_only)
        return
    if not host_only:
        if not release.at_least(1, 16):
            text = f"{release} ends sockets of the host only, pods' from 1.16"
            yield Hole(text, version, upgrade)
        elif view.flag(TERMINATION_OPTION) is False:
            yield _switched_off(view)
    if kernel_ends_sockets(view) is False:
        yield _unsupported(view, is_minor=host_only)
    for usage in reverse_sk_rows(view):
        if usage.ratio is not None and usage.ratio >= NEARLY_FULL_RATIO:
            yield _forgotten(view, usage, is_minor=host_only)


def _switched_off(view: NodeView) -> Hole:
    setting = view.setting(TERMINATION_OPTION)
    evidence = () if setting is None else (option_evidence(view, TERMINATION_OPTION, setting),)
    return Hole(
        f"{TERMINATION_OPTION} is false: sockets of pods are not ended",
        evidence,
        (clean(f"set {TERMINATION_OPTION} to true, its default, and restart the agents"),),
        (
            ConfigSetting(
                TERMINATION_OPTION, CleanText("true"), f"extraConfig.{TERMINATION_OPTION}=true"
            ),
        ),
    )


def kernel_ends_sockets(view: NodeView) -> bool | None:
    """Tell whether the kernel can end sockets for this release; None where it can't be told.

    The agent's own line that it can't (S1) counts most: it tries no more until its restart. 1.19
    does without the options where `bpf_sock_destroy` is there; later ones ask for them again.
    """
    if of_running_agent(view, "S1"):
        return False
    release = view.release
    if release is None:
        return None
    is_1_19 = release.at_least(1, 19) and not release.at_least(1, 20)
    if is_1_19 and view.feature(_DESTROYER) is FeatureState.YES:
        return True
    states = [view.feature(key) for key in _NETLINK]
    if lacks_netlink(view):
        # Without the destroyer's own answer 1.19 may not need the options at all.
        is_open = is_1_19 and view.feature(_DESTROYER) is FeatureState.UNKNOWN
        return None if is_open else False
    # A kernel that can destroy UDP sockets has the diag modules it does that with.
    if states[1] is FeatureState.YES and states[2] is FeatureState.YES:
        return True
    return True if all(state is FeatureState.YES for state in states) else None


def lacks_netlink(view: NodeView) -> bool:
    """Tell whether the kernel is known to lack an option that ends sockets by netlink."""
    return FeatureState.NO in [view.feature(key) for key in _NETLINK]


def _unsupported(view: NodeView, *, is_minor: bool) -> Hole:
    lines = log_lines(view, of_running_agent(view, "S1"))
    lacking = [view.features[key] for key in _NETLINK if view.feature(key) is FeatureState.NO]
    evidence = tuple(
        view.fact(
            f"{one.label}: {one.evidence or one.value}",
            f"kernel {view.facts.node.kernel_release}",
            proof=ProofKind.FEATURE,
            key=one.key,
        )
        for one in lacking
    )
    names = ", ".join(str(one.label) for one in lacking) or "its options"
    text = f"the kernel can't end sockets for Cilium ({names})"
    if lines:
        text = "the agent says that the kernel can't end sockets, and no longer tries"
    step = clean(f"use a kernel with {', '.join(_OPTIONS)}, then restart the agent", 300)
    return Hole(text, (*lines, *evidence), (step,), is_minor=is_minor)


_OPTIONS = ("CONFIG_INET_DIAG", "CONFIG_INET_UDP_DIAG", "CONFIG_INET_DIAG_DESTROY")


def reverse_sk_rows(view: NodeView) -> Sequence[MapUsage]:
    """Return the maps in which an agent looks up the sockets that it may end."""
    return [one for one in view.maps.values() if family_of(one.name).key == "lb-reverse-sk"]


def _forgotten(view: NodeView, usage: MapUsage, *, is_minor: bool) -> Hole:
    resize = remedy_for(view, usage)
    text = f"{usage.name} is {percent(usage.ratio or 0.0)} full: sockets it evicts are not ended"
    return Hole(
        text,
        (count_evidence(view, usage),),
        (*resize.now[:1], *resize.lasting[:1]),
        resize.settings,
        is_minor=is_minor,
    )
