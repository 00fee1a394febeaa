"""Where bpffs is mounted, by mount tables of a real kernel, and whether maps outlive a restart.

The fixtures were recorded in mount namespaces laid out as container runtimes do it: `.self` is the
agent's container, `.host` what the host had at the same time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.probe_shells import SHELLS, make_container
from tui.cilium.frames import EXIT_NO_MAP, EXIT_NOT_FOUND
from tui.cilium.hostmounts import FALLBACK_ROOT, parse_mount, parse_mounts
from tui.cilium.probes import DEFAULT_ROOT
from tui.errors import ParseError
from tui.model.host import BpfFilesystem, MapSurvival

SAMPLES = Path(__file__).parent.parent / "fixtures" / "mountinfo"
YES, NO, UNKNOWN = MapSurvival.YES, MapSurvival.NO, MapSurvival.UNKNOWN
ROOT = "1 0 0:50 / / rw - overlay overlay rw\n"
SYS = "2 1 0:22 / /sys rw - sysfs sysfs rw\n"
CASES = {
    # case: without the host's table, with it, how it is mounted
    "bound-shared": (YES, YES, "shared"),
    "bound-slave": (YES, YES, "slave"),
    "bound-private": (UNKNOWN, YES, "private"),
    "agent-on-shared": (YES, YES, "shared"),
    "agent-on-slave": (NO, NO, "private"),
    "agent-on-private": (NO, NO, "private"),
    "agent-without-volume": (UNKNOWN, NO, "private"),
    "agent-on-slave-mounted-later": (NO, NO, "private"),
    "mounted-later-on-slave": (YES, YES, "slave"),
    "fallback": (NO, NO, "private"),
    "fallback-mounted-later": (NO, NO, "private"),
}


def judged(own: str, host: str = "", *pins: str) -> BpfFilesystem:
    tail = "".join(f"# pins {pin}\n" for pin in pins)
    return parse_mounts(f"# table /proc/self\n{own}{host}{tail}".encode())


def sample(name: str) -> str:
    return (SAMPLES / name).read_text()


def host_table(name: str, mark: str = "# kubelet\n", path: str = "/hostproc/1") -> str:
    return f"# table {path}\n{sample(name)}{mark}"


@pytest.mark.parametrize("case", CASES)
def test_every_way_to_mount_it_is_told_apart(case: str) -> None:
    alone, together, propagation = CASES[case]
    own = sample(f"{case}.self")
    root = FALLBACK_ROOT if case.startswith("fallback") else DEFAULT_ROOT
    found = judged(own, "", root)
    assert (found.survival, found.root) == (alone, root)
    assert root in found.why
    assert {str(one.path): one.propagation for one in found.mounts}[root] == propagation
    found = judged(own, host_table(f"{case}.host"), root)
    assert found.survival is together
    assert "/hostproc/1/mountinfo" in found.why


@pytest.mark.parametrize("case", CASES)
def test_process_1_of_the_container_is_not_the_host(case: str) -> None:
    own = sample(f"{case}.self")
    assert judged(own, f"# table /proc/1\n{own}# kubelet\n") == judged(own)


def test_a_table_that_may_be_of_any_other_container_proves_no_absence() -> None:
    pause = "900 800 0:90 / / ro - overlay overlay ro\n901 900 0:91 / /proc rw - proc proc rw\n"
    own = sample("bound-shared.self")
    assert judged(own, f"# table /proc/1\n{pause}") == judged(own)
    assert judged(own, f"# table /proc/1\n{pause}# kubelet\n").survival is NO


def test_a_mount_of_the_fallback_by_somebody_else_proves_nothing() -> None:
    bpf = "3 1 0:60 / /run/cilium/bpffs rw - bpf {} rw\n"
    assert judged(ROOT + bpf.format("bpf")).survival is UNKNOWN
    assert judged(ROOT + bpf.format(FALLBACK_ROOT)).survival is NO


def test_where_the_maps_are_pinned_decides() -> None:
    bound = SYS + "3 2 0:60 / /sys/fs/bpf rw shared:7 - bpf bpf rw\n"
    other = "4 1 0:61 / /mnt/my\\040bpf rw - bpf /mnt/my\\040bpf rw\n"
    assert judged(ROOT + bound + other).root == DEFAULT_ROOT
    assert judged(ROOT + other).root == "/mnt/my bpf"
    two = ROOT + bound + other.replace("\\040", "")
    assert judged(two, "", "/mnt/mybpf").survival is UNKNOWN
    both = judged(two, "", "/mnt/mybpf", DEFAULT_ROOT)
    assert (both.survival, both.root) == (UNKNOWN, "")
    assert "/mnt/mybpf, /sys/fs/bpf" in both.why


@pytest.mark.parametrize(
    ("lines", "survival"),
    [
        ("3 2 0:60 / /sys/fs/bpf rw shared:7 master:9 - bpf bpf rw\n", YES),
        ("3 2 0:60 / /sys/fs/bpf rw master:9 propagate_from:2 - bpf bpf rw\n", YES),
        ("3 2 0:60 / /sys/fs/bpf rw unbindable - bpf bpf rw\n", UNKNOWN),
        ("3 99 0:60 / /sys/fs/bpf rw shared:7 - bpf bpf rw\n", UNKNOWN),
        # Its master is of the same container: nobody else holds it.
        (
            "3 2 0:60 / /sys/fs/bpf rw master:9 - bpf bpf rw\n"
            "4 1 0:60 / /b rw shared:9 - bpf bpf rw\n",
            UNKNOWN,
        ),
        # Something was mounted over /sys afterwards: nothing below is reached.
        (
            "3 2 0:60 / /sys/fs/bpf rw master:9 - bpf bpf rw\n"
            "4 2 0:70 / /sys rw - tmpfs tmpfs rw\n",
            UNKNOWN,
        ),
    ],
)
def test_propagation_is_read_by_its_meaning(lines: str, survival: MapSurvival) -> None:
    assert judged(ROOT + SYS + lines, "", DEFAULT_ROOT).survival is survival


def test_a_shared_folder_elsewhere_does_not_prove_a_peer_on_the_host() -> None:
    shared = SYS.replace(" rw -", " rw shared:3 -")
    mounted = "3 2 0:60 / /sys/fs/bpf rw shared:7 - bpf /sys/fs/bpf rw\n"
    assert judged(ROOT + shared + mounted).survival is UNKNOWN


def test_a_line_is_read_by_the_kernels_format() -> None:
    line = (
        "36 35 98:0 /a\\134b /m\\040n rw,noatime master:1 new:tag - ext3 /dev/r\\011t rw,errors=-"
    )
    found = parse_mount(line)
    assert found is not None
    assert (found.id, found.parent, found.device) == (36, 35, "98:0")
    assert (found.path, found.filesystem, found.source) == ("/m n", "ext3", "/dev/r\tt")
    assert (found.groups, found.propagation) == ({"master": 1}, "slave")
    plain = parse_mount("36 35 98:0 / / rw - bpf  rw")
    assert plain is not None
    assert (plain.source, plain.propagation) == ("", "private")
    for bad in ("", "36 35 98:0 / / rw ext3 x rw", "a 35 98:0 / / rw - bpf bpf rw", "# pins /x y"):
        assert parse_mount(bad) is None


@pytest.mark.parametrize("stdout", [b"", b"<html>", b"# table /proc/1\n" + ROOT.encode()])
def test_no_table_of_its_own_is_no_answer(stdout: bytes) -> None:
    with pytest.raises(ParseError):
        parse_mounts(stdout)


LINES = [ROOT, *(line + "\n" for name in CASES for line in sample(f"{name}.self").splitlines())]


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=60)), st.binary(max_size=80))
def test_no_table_breaks_the_parser(lines: list[str], tail: bytes) -> None:
    text = f"# table /proc/self\n{ROOT}{''.join(lines)}".encode("utf-8", "replace") + tail
    assert parse_mounts(text).survival in MapSurvival


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("case", CASES)
def test_the_script_sends_what_decides(shell: str, case: str, tmp_path: Path) -> None:
    container = make_container(shell, tmp_path)
    root = FALLBACK_ROOT if case.startswith("fallback") else DEFAULT_ROOT
    own, host = sample(f"{case}.self"), sample(f"{case}.host")
    netns = "700 119 0:4 net:[1] /run/cilium/netns/cni-a rw master:9 - nsfs nsfs rw\n"
    volume = "800 48 0:9 / /var/lib/kubelet/pods/u/volumes/x rw,relatime - tmpfs tmpfs rw\n"
    container.file("/proc/self/mountinfo", (own + netns).encode())
    container.file("/proc/1/mountinfo", (own + netns).encode())
    container.file("/hostproc/1/mountinfo", (host + volume).encode())
    container.file(f"{root}/tc/globals/cilium_lxc")
    frame = container.run("mounts")["mounts"]
    assert (frame.exit_code, frame.stderr) == (0, b"")
    assert b"netns" not in frame.stdout
    found = parse_mounts(frame.stdout)
    assert found == judged(own, host_table(f"{case}.host"), root)
    assert found.survival is CASES[case][1]


def test_volumes_of_its_own_pod_do_not_make_a_container_the_host(tmp_path: Path) -> None:
    container = make_container("dash", tmp_path)
    volume = "700 1 0:9 /var/lib/kubelet/pods/u/volumes/x /tmp/config rw - ext4 /dev/vda rw\n"
    container.file("/proc/self/mountinfo", (sample("agent-on-slave.self") + volume).encode())
    assert b"kubelet\n" not in container.run("mounts")["mounts"].stdout


def test_without_bpffs_or_grep_it_is_asked_again(tmp_path: Path) -> None:
    container = make_container("dash", tmp_path)
    container.file("/proc/self/mountinfo", (ROOT + SYS).encode())
    frame = container.run("mounts")["mounts"]
    assert (frame.exit_code, frame.stderr) == (EXIT_NO_MAP, b"ciltop: no bpffs\n")
    container.remove("grep")
    assert container.run("mounts")["mounts"].exit_code == EXIT_NOT_FOUND
