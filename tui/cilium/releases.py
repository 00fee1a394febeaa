"""Cilium releases: parsed, compared, and what they gate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_RELEASE = re.compile(
    r"(?<![\d.])v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(?:[-+.]?((?:dev|snapshot|alpha|beta|pre|rc)"
    r"[.\d]*))?(?![\d])",
    re.IGNORECASE,
)
_PRE_ORDER = {"dev": 0, "snapshot": 1, "alpha": 2, "beta": 3, "pre": 4, "rc": 5}
_FINAL = 9


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """A Cilium release; a pre-release sorts before the release it leads to."""

    major: int
    minor: int
    patch: int = 0
    pre: str = ""
    """Such as `dev`, `pre.3` or `rc.1`; empty for a final release and for vendors' suffixes."""

    @property
    def _key(self) -> tuple[int, int, int, int, int]:
        word = self.pre.rstrip(".0123456789")
        number = re.search(r"\d+", self.pre)
        return (
            self.major,
            self.minor,
            self.patch,
            _PRE_ORDER.get(word, _FINAL),
            int(number.group()) if number else 0,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Release) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __lt__(self, other: Release) -> bool:
        return self._key < other._key

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        return f"{text}-{self.pre}" if self.pre else text

    def at_least(self, major: int, minor: int, patch: int = 0) -> bool:
        """Tell whether this release has what came with the named one.

        A pre-release counts as the release it leads to: 1.18.0-pre.1 behaves like 1.18.
        """
        return (self.major, self.minor, self.patch) >= (major, minor, patch)


def parse_release(text: str) -> Release | None:
    """Find a release in a version text, such as `v1.20.0-dev` or `1.11.7 (v1.11.7-506fcf6)`.

    A vendor's suffix (`1.14.5-cee.1`) and a commit hash are no pre-release.
    """
    found = _RELEASE.search(text)
    if found is None:
        return None
    major, minor, patch, pre = found.groups()
    release = Release(int(major), int(minor), int(patch or 0), (pre or "").lower().rstrip("."))
    if not release.pre and release.patch in {90, 99} and release.major == 1 and release.minor < 15:
        # Builds from the main branch called themselves x.y.90 on the way to x.(y+1) until 1.14.
        return Release(1, release.minor + 1, 0, "dev")
    return release


def release_of_image(image: str) -> Release | None:
    """Read the release from an image reference's tag; a digest alone tells nothing."""
    _, colon, tag = image.strip().partition("@")[0].rpartition(":")
    if not colon or "/" in tag:
        return None
    return parse_release(tag)


def agent_binary(release: Release) -> str:
    """Name the agent's command line program: `cilium-dbg` came with 1.15."""
    return "cilium-dbg" if release.at_least(1, 15) else "cilium"


def backend_map_suffix(release: Release) -> str:
    """Name the live backend map's suffix: `_v3` came with 1.13 (commit c6e53ea42b)."""
    return "_v3" if release.at_least(1, 13) else "_v2"


def tells_protocols_apart(release: Release) -> bool:
    """Tell whether services and backends carry their protocol in the kernel's maps.

    `bpf-lb-proto-diff` came with 1.17; before, TCP and UDP of one port share one entry of ANY.
    """
    return release.at_least(1, 17)
