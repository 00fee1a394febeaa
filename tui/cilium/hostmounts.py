"""What the `mounts` probe prints: where bpffs is mounted, and whether it outlives the container.

Maps are pinned in a bpffs. Where the host has it, it stays; where the agent mounted it inside its
own container, and nothing carried that mount out, it is gone with the container, and every map with
it. `IsMountFS` (pkg/mountinfo) compares device numbers only, so that a folder of the host's sysfs
looks like no mount to the agent: it mounts bpffs over it, or at /run/cilium/bpffs where another
filesystem is there (`checkOrMountDefaultLocations`, pkg/bpf/bpffs_linux.go 1.11 to 1.19). Under
`mountPropagation: Bidirectional` the host gets that mount too, under HostToContainer it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tui.cilium.output import describe_garbage
from tui.cilium.probes import DEFAULT_ROOT
from tui.errors import ParseError
from tui.model.host import BpfFilesystem, BpfMount, MapSurvival
from tui.safety import clean

FALLBACK_ROOT = "/run/cilium/bpffs"
_OWN = "/proc/self"
_MARKER = re.compile(r"# (?:(table|pins) (/\S*)|(kubelet))")
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_GROUP = re.compile(r"(shared|master|propagate_from):([0-9]{1,18})")
_DEVICE = re.compile(r"[0-9]{1,10}:[0-9]{1,10}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_LEAST_FIELDS = 6
_MOST_LINES = 20_000
_MOST_MOUNTS = 20

Judgement = tuple[MapSurvival, str]


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of a mount table (proc_pid_mountinfo(5))."""

    id: int
    parent: int
    device: str
    path: str
    filesystem: str
    source: str
    groups: Mapping[str, int]
    """`shared`, `master`, `propagate_from` -> number of the peer group; none is private."""
    is_unbindable: bool = False

    @property
    def is_bpf(self) -> bool:
        """Whether this is a bpffs."""
        return self.filesystem == "bpf"

    @property
    def is_shared(self) -> bool:
        """Whether what is mounted on it is carried to its peers."""
        return "shared" in self.groups

    @property
    def is_slave(self) -> bool:
        """Whether it gets what is mounted on its master."""
        return "master" in self.groups

    @property
    def propagation(self) -> str:
        """How mounts on it travel, as mount(8) says it."""
        named = [
            name for name, is_so in (("shared", self.is_shared), ("slave", self.is_slave)) if is_so
        ]
        return ", ".join(named) or ("unbindable" if self.is_unbindable else "private")


@dataclass(slots=True)
class Table:
    """The mounts of one mount namespace, as far as they were sent."""

    path: str
    mounts: dict[int, Mount] = field(default_factory=dict)
    has_pod_volumes: bool = False
    """Whether the kubelet mounts pods' volumes there: then it is the host's."""

    def top(self, path: str) -> Mount | None:
        """Return the mount that is reached by this path; None where none is mounted there."""
        here = [one for one in self.mounts.values() if one.path == path]
        covered = {one.parent for one in here}
        found = next((one for one in here if one.id not in covered), None)
        return None if found is None or self._is_hidden(found) else found

    def _is_hidden(self, mount: Mount) -> bool:
        """Tell whether something was mounted later over a folder above."""
        line: set[int] = set()
        above: Mount | None = mount
        while above is not None and above.id not in line:
            line.add(above.id)
            above = self.mounts.get(above.parent)
        return any(
            one.parent in line and one.id not in line and _is_above(one.path, mount.path)
            for one in self.mounts.values()
        )


def _is_above(folder: str, path: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/") and folder != path


def parse_mount(line: str) -> Mount | None:
    r"""Parse one line of a mountinfo; None for anything else.

    The fields: id, parent's id, device, root, mount point, options, any number of optional fields,
    a lone `-`, filesystem, source, options. Blanks in names are octal (`\040`).
    """
    words = line.split(" ")
    if "-" not in words[_LEAST_FIELDS:]:
        return None
    end = words.index("-", _LEAST_FIELDS)
    named = words[end + 1 :]
    numbers = words[0], words[1]
    if not all(map(_NUMBER.fullmatch, numbers)) or not _DEVICE.fullmatch(words[2]) or not named:
        return None
    optional = words[_LEAST_FIELDS:end]
    groups = {found[1]: int(found[2]) for found in map(_GROUP.fullmatch, optional) if found}
    source = _plain(named[1]) if len(named) > 1 else ""
    return Mount(
        int(numbers[0]),
        int(numbers[1]),
        words[2],
        _plain(words[4]),
        named[0],
        source,
        groups,
        "unbindable" in optional,
    )


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def parse_mounts(stdout: bytes) -> BpfFilesystem:
    """Parse the `mounts` probe and judge whether pinned maps outlive the container.

    Raises:
        ParseError: the container's own mount table is not in it.
    """
    tables, pins = _tables(stdout)
    own = next((one for one in tables if one.path == _OWN and one.mounts), None)
    if own is None:
        raise ParseError(describe_garbage(stdout, "mounts probe", "a mount table"))
    others = [one for one in tables if one is not own and one.mounts.keys() != own.mounts.keys()]
    paths = dict.fromkeys(one.path for one in own.mounts.values() if one.is_bpf)
    reached = [one for one in map(own.top, paths) if one is not None and one.is_bpf]
    judged = {one.path: _judged(one, own, others) for one in reached}
    root, (survival, why) = _root(judged, pins)
    mounts = tuple(
        BpfMount(clean(one.path), clean(one.propagation), clean(one.source), clean(one.device))
        for one in reached[:_MOST_MOUNTS]
    )
    return BpfFilesystem(survival, clean(why, 400), clean(root), mounts)


def _tables(stdout: bytes) -> tuple[list[Table], list[str]]:
    tables: list[Table] = []
    pins: list[str] = []
    for line in stdout.decode("utf-8", "replace").split("\n")[:_MOST_LINES]:
        marker = _MARKER.fullmatch(line)
        if marker is None:
            mount = parse_mount(line) if tables else None
            if mount is not None:
                tables[-1].mounts[mount.id] = mount
        elif marker[1] == "table":
            tables.append(Table(marker[2]))
        elif marker[1] == "pins":
            pins.append(marker[2])
        elif tables:
            tables[-1].has_pod_volumes = True
    return tables, pins


def _root(judged: Mapping[str, Judgement], pins: Sequence[str]) -> tuple[str, Judgement]:
    """Return the bpffs that the agent uses, with what becomes of it."""
    if FALLBACK_ROOT in judged and judged[FALLBACK_ROOT][0] is MapSurvival.NO:
        # Mounted by this very container: its agent uses it, whatever the host got since.
        return FALLBACK_ROOT, judged[FALLBACK_ROOT]
    used = [path for path in pins if path in judged]
    if not used:
        used = [DEFAULT_ROOT] if DEFAULT_ROOT in judged else list(judged)
    if len(used) == 1:
        return used[0], judged[used[0]]
    if not used:
        return "", (MapSurvival.UNKNOWN, "no bpffs can be reached in the agent's container")
    why = f"maps may be pinned at any of {', '.join(sorted(used)[:4])}"
    return "", (MapSurvival.UNKNOWN, why)


def _judged(mount: Mount, own: Table, others: Iterable[Table]) -> Judgement:
    """Judge one bpffs, by the host's own table where it was read."""
    for other in others:
        same = [one for one in other.mounts.values() if one.is_bpf and one.device == mount.device]
        where = f"{other.path}/mountinfo"
        if same:
            text = (
                f"the bpffs at {mount.path} is mounted on the host too, at {same[0].path} ({where})"
            )
            return MapSurvival.YES, text
        if other.has_pod_volumes:
            text = f"the bpffs at {mount.path} is not in the host's mount table ({where})"
            return MapSurvival.NO, text
    parent = own.mounts.get(mount.parent)
    if mount.is_slave:
        return _of_slave(mount, own)
    if mount.is_shared:
        return _of_shared(mount, parent)
    return _of_private(mount, parent)


def _of_slave(mount: Mount, own: Table) -> Judgement:
    master = mount.groups["master"]
    if any(one.groups.get("shared") == master for one in own.mounts.values()):
        text = f"the bpffs at {mount.path} follows a mount of its own container"
        return MapSurvival.UNKNOWN, text
    return MapSurvival.YES, f"the bpffs at {mount.path} is the host's (slave of its mount)"


def _of_shared(mount: Mount, parent: Mount | None) -> Judgement:
    """Judge a shared mount: what is mounted on a mount that is not shared is born private."""
    if parent is not None and not parent.is_shared:
        text = f"the bpffs at {mount.path} came with the container, shared with the host"
        return MapSurvival.YES, text
    if parent is not None and parent.path == mount.path:
        text = f"the bpffs at {mount.path} was mounted on a folder shared with the host"
        return MapSurvival.YES, text
    return MapSurvival.UNKNOWN, f"whom the bpffs at {mount.path} is shared with can't be told"


def _of_private(mount: Mount, parent: Mount | None) -> Judgement:
    if parent is not None and not parent.is_shared:
        if parent.path == mount.path and (not parent.is_bpf or parent.is_slave):
            over = "the host's bpffs, which came later" if parent.is_bpf else "a folder of the host"
            text = (
                f"the bpffs at {mount.path} was mounted inside the agent's container, over {over}"
                f" ({parent.propagation}): the host does not have it"
            )
            return MapSurvival.NO, text
        if mount.path == mount.source == FALLBACK_ROOT:
            text = (
                f"the agent mounted its bpffs at {mount.path} inside its container, as"
                f" {DEFAULT_ROOT} was none: the host does not have it"
            )
            return MapSurvival.NO, text
    text = f"whether the private bpffs at {mount.path} is the host's can't be told"
    return MapSurvival.UNKNOWN, text
