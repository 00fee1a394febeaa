"""Whether a node's kernel tells network namespaces apart for the agent: the netns cookie."""

from __future__ import annotations

from tui.checks.view import NodeView
from tui.cilium.kernelreleases import has_feature_of
from tui.model.features import FeatureState
from tui.model.findings import Evidence, MissingEvidence, ProofKind
from tui.model.logs import LogEntry
from tui.safety import CleanText

FEATURE = "netns-cookie"


def cookie_warning(view: NodeView) -> LogEntry | None:
    """Return the line by which the running agent says that it found no cookies.

    K6 and K7 are printed if and only if its own probe of the helper failed (daemon, to 1.17), so
    they beat the kernel's release and its symbols.
    """
    found = (entry for entry in view.logged("K6", "K7") if not entry.is_previous)
    return next(found, None)


def has_netns_cookie(view: NodeView) -> bool | None:
    """Tell whether the agent can use `bpf_get_netns_cookie`; None where it can't be told.

    It came with Linux 5.7; RHEL 8 may have it in a 4.18 (not proved, so unknown).
    """
    if cookie_warning(view) is not None:
        return False
    state = view.feature(FEATURE)
    if state in (FeatureState.YES, FeatureState.NO):
        return state is FeatureState.YES
    return has_feature_of(view.kernel, 5, 7)


def cookie_evidence(view: NodeView) -> Evidence:
    """Return what `has_netns_cookie` goes by."""
    warning = cookie_warning(view)
    if warning is not None:
        return view.log_evidence(warning)
    found = view.features.get(FEATURE)
    if found is not None and found.state in (FeatureState.YES, FeatureState.NO):
        proof = f" ({found.evidence})" if found.evidence else ""
        text = f"network namespace cookies: {found.value}{proof}"
        return view.evidence(view.facts.features, text, ProofKind.FEATURE, FEATURE)
    text = f"kernel {view.facts.node.kernel_release or 'release not known'}"
    return view.fact(text, "GET /api/v1/nodes", proof=ProofKind.FEATURE, key=FEATURE)


def missing_cookie(view: NodeView) -> MissingEvidence:
    """Return how to find out whether the helper is there."""
    return MissingEvidence(
        CleanText("whether the kernel has bpf_get_netns_cookie"),
        view.command("bpftool feature probe kernel | grep bpf_get_netns_cookie"),
    )
