"""The sources of features, and the verdict each can give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tui.cilium.kernel import BpfHelpers, GeneratedHeaders, KernelFacts, SocketHooks
from tui.cilium.kernelreleases import KernelRelease, parse_kernel_release
from tui.cilium.maps import KernelMap
from tui.cilium.releases import Release
from tui.model.agent import AgentStatus, EffectiveConfig
from tui.model.features import Feature, FeatureGroup, FeatureState, Proof
from tui.model.logs import LogLine
from tui.safety import CleanText, clean


@dataclass(frozen=True, slots=True)
class FeatureSources:
    """All that is known of one node; None where a source was not read."""

    release: Release | None = None
    node_kernel: CleanText = CleanText("")
    """The kernel release of the Node object."""
    kernel: KernelFacts | None = None
    hooks: SocketHooks | None = None
    headers: GeneratedHeaders | None = None
    helpers: BpfHelpers | None = None
    status: AgentStatus | None = None
    config: EffectiveConfig | None = None
    log_lines: Sequence[LogLine] = ()
    """Warnings and errors since the agent's start."""
    maps: Sequence[KernelMap] = ()

    @property
    def kernel_release(self) -> KernelRelease | None:
        """The kernel that runs, by the probe, else by the Node object."""
        text = self.kernel.release if self.kernel else self.node_kernel
        return parse_kernel_release(text)

    def at_least(self, major: int, minor: int) -> bool | None:
        """Tell whether the agent's release is that or newer; None where it is unknown."""
        return None if self.release is None else self.release.at_least(major, minor)

    def log_line_with(self, *fragments: str) -> LogLine | None:
        """Return the first line with one of the fragments in its message or error."""
        for line in self.log_lines:
            if any(part in line.message or part in line.error for part in fragments):
                return line
        return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one source says about one feature."""

    state: FeatureState
    proof: Proof
    evidence: str = ""
    value: str = ""

    @property
    def text(self) -> str:
        """The value as shown."""
        return self.value or self.state.value


def yes(proof: Proof, evidence: str, value: str = "") -> Verdict:
    """Say that the feature is there."""
    return Verdict(FeatureState.YES, proof, evidence, value)


def no(proof: Proof, evidence: str, value: str = "") -> Verdict:
    """Say that the feature was looked for where it must show, and is not there."""
    return Verdict(FeatureState.NO, proof, evidence, value)


def valued(value: object, proof: Proof, evidence: str) -> Verdict:
    """Give a value that is not yes or no."""
    return Verdict(FeatureState.VALUE, proof, evidence, str(value))


def unknown(value: str, evidence: str = "") -> Verdict:
    """Say in a few words why it is not known, with what was looked for."""
    return Verdict(FeatureState.UNKNOWN, Proof.UNKNOWN, evidence, value)


def first_of(verdicts: Iterable[Verdict | None], otherwise: Verdict) -> Verdict:
    """Return the first source that says anything, the most certain one coming first."""
    return next((one for one in verdicts if one is not None), otherwise)


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """What is fixed about a feature: its names and who needs it."""

    key: str
    label: str
    group: FeatureGroup
    needed_by: str = ""

    def judged(self, verdict: Verdict, *, is_concern: bool = False) -> Feature:
        """Return the feature with a verdict."""
        return Feature(
            key=self.key,
            label=CleanText(self.label),
            group=self.group,
            state=verdict.state,
            value=clean(verdict.text),
            proof=verdict.proof,
            evidence=clean(verdict.evidence),
            needed_by=CleanText(self.needed_by),
            is_concern=is_concern,
        )
