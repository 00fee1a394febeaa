"""The probe `mounts` in a mount namespace of its own, with a bpffs of this kernel."""

from __future__ import annotations

import subprocess

import pytest

from tui.cilium.frames import EXIT_NO_MAP, Frame, parse_frames
from tui.cilium.hostmounts import FALLBACK_ROOT, parse_mounts
from tui.cilium.probes import DEFAULT_ROOT, exec_argv, new_nonce
from tui.model.host import MapSurvival

pytestmark = pytest.mark.bpf

NOTHING = f"umount -l {DEFAULT_ROOT} 2>/dev/null; mount -t tmpfs run /run"
FALLBACK = f"mkdir -p {FALLBACK_ROOT} && mount -t bpf {FALLBACK_ROOT} {FALLBACK_ROOT}"
ON_A_FOLDER = (
    f"mount --bind {DEFAULT_ROOT} {DEFAULT_ROOT} && mount --make-{{}} {DEFAULT_ROOT}"
    f" && mount -t bpf {DEFAULT_ROOT} {DEFAULT_ROOT}"
)


def seen_after(commands: str) -> Frame:
    """Mount in a private namespace, which ends with the command, and run the script there."""
    can_mount = ["unshare", "--mount", "sh", "-c", "mount -t bpf bpf /mnt"]
    if subprocess.run(can_mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a bpffs in a namespace of its own")
    nonce = new_nonce()
    argv = ["sh", "-c", f'{commands} && exec "$@"', "sh", *exec_argv(nonce, ["mounts"])]
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=30,
    )
    return parse_frames(nonce, done.stdout, done.stderr)["mounts"]


@pytest.mark.parametrize(
    ("commands", "root", "survival"),
    [
        (FALLBACK, FALLBACK_ROOT, MapSurvival.NO),
        (ON_A_FOLDER.format("private"), DEFAULT_ROOT, MapSurvival.NO),
        (ON_A_FOLDER.format("shared"), DEFAULT_ROOT, MapSurvival.YES),
    ],
    ids=["fallback", "private", "shared"],
)
def test_what_the_agent_mounted_is_judged(commands: str, root: str, survival: MapSurvival) -> None:
    pins = f"mkdir -p {root}/tc/globals"
    frame = seen_after(f"{NOTHING} && {commands} && {pins}")
    assert (frame.exit_code, frame.stderr) == (0, b"")
    assert f"# pins {root}\n".encode() in frame.stdout
    # Process 1 is the machine's own here: its table must not hold this mount.
    own = frame.stdout.split(b"# table /proc/1\n")[0] + f"# pins {root}\n".encode()
    found = parse_mounts(own)
    assert (found.root, found.survival) == (root, survival)
    assert parse_mounts(frame.stdout).survival in (survival, MapSurvival.NO)


def test_no_bpffs_is_no_answer() -> None:
    frame = seen_after(NOTHING)
    assert frame.exit_code == EXIT_NO_MAP
