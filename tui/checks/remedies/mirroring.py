"""Why Endpoints have no EndpointSlice, and the way out of each reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tui.model.findings import Remedy
from tui.safety import CleanText, clean

LIST = CleanText(
    "kubectl -n NAMESPACE get endpointslices -l kubernetes.io/service-name=NAME -o wide"
)
TEST = CleanText("from a pod: nc -vz -w 3 NAME.NAMESPACE.svc PORT")
WRITE_SLICE = CleanText(
    "write an EndpointSlice for the Service: label kubernetes.io/service-name=NAME, the same"
    " addresses and ports; agents use it within seconds"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why Endpoints are not mirrored, and what ends it."""

    group: str
    text: str
    remedy: Remedy = Remedy()


SKIPPED = Reason(
    "skip-mirror",
    "their label endpointslice.kubernetes.io/skip-mirror is true",
    Remedy(
        now=(
            CleanText(
                "ask who set the label: a controller that writes its own EndpointSlices sets it,"
                " and then those are what is missing"
            ),
            CleanText("else remove the label: the slice is there within seconds"),
        ),
        commands=(
            CleanText(
                "kubectl -n NAMESPACE label endpoints NAME endpointslice.kubernetes.io/skip-mirror-"
            ),
            LIST,
        ),
        needs_restart=False,
        interrupts=CleanText("nothing"),
        test=TEST,
    ),
)
LEADER_LOCK = Reason(
    "leader-election",
    "they carry a leader-election annotation, which excludes them from mirroring",
    Remedy(
        now=(
            WRITE_SLICE,
            CleanText("or elect leaders with Leases, so that the annotation can go"),
        ),
        commands=(
            CleanText(
                "kubectl -n NAMESPACE annotate endpoints NAME"
                " control-plane.alpha.kubernetes.io/leader-"
            ),
            LIST,
        ),
        needs_restart=False,
        interrupts=CleanText("a leader election of a client that still uses the annotation"),
        test=TEST,
    ),
)
TOO_MANY = Reason(
    "over 1000 addresses",
    "only the first 1,000 addresses of a subset are mirrored",
    Remedy(
        now=(
            CleanText(
                "write EndpointSlices for all addresses (at most 1,000 each) and set the label"
                " endpointslice.kubernetes.io/skip-mirror=true on the Endpoints"
            ),
        ),
        lasting=(
            CleanText("or raise --mirroring-max-endpoints-per-subset of kube-controller-manager"),
        ),
        commands=(LIST,),
        needs_restart=False,
        interrupts=CleanText("nothing"),
        test=TEST,
    ),
)
NOT_MIRRORED = Reason("not mirrored", "no EndpointSlice mirrors them")


def named_remedy(remedy: Remedy, service: str) -> Remedy:
    """Put a Service's own names into the commands."""
    namespace, _, name = service.rpartition("/")

    def named(text: CleanText) -> CleanText:
        return clean(text.replace("NAMESPACE", namespace).replace("NAME", name), 600)

    commands = tuple(named(command) for command in remedy.commands)
    now = tuple(named(step) for step in remedy.now)
    return replace(remedy, now=now, commands=commands, test=named(remedy.test))
