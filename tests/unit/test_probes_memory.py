"""Reducing a full map stays small: exec'd processes share the agent's memory limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.probe_shells import SHELLS, Container, dump_json, make_container
from tui.cilium.dumps import decode_count, decode_dump
from tui.cilium.frames import parse_frames
from tui.cilium.probes import exec_argv, new_nonce
from tui.cilium.sockets import parse_sockets

PIN = "cilium_lb4_services_v2"
ENTRIES = 65_536
LIMIT_KIB = 20 * 1024
"""Address space of each process, above what any of these programs maps when it starts."""


@pytest.fixture(scope="module")
def full_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dump") / "services"
    rows = ((n.to_bytes(12, "little"), (n * 7).to_bytes(12, "big")) for n in range(ENTRIES))
    path.write_bytes(dump_json(rows))
    assert path.stat().st_size > 12_000_000
    assert path.read_bytes().count(b"\n") == 0
    return path


@pytest.fixture(params=SHELLS)
def container(request: pytest.FixtureRequest, tmp_path: Path, full_map: Path) -> Container:
    made = make_container(str(request.param), tmp_path)
    made.pin(PIN)
    made.stub("bpftool", f'cat "{full_map}"')
    return made


def limited(container: Container, argv: list[str]) -> tuple[int, bytes, bytes]:
    prefix = ["/bin/sh", "-c", f'ulimit -v {LIMIT_KIB}; exec "$@"', "sh"]
    done = container.execute(argv, prefix)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("missing", [[], ["grep"], ["gzip"]])
def test_a_full_map_is_reduced_in_bounded_memory(container: Container, missing: list[str]) -> None:
    container.remove(*missing)
    nonce = new_nonce()
    _, out, err = limited(container, exec_argv(nonce, ["services4", f"count={PIN}"]))
    frames = parse_frames(nonce, out, err)
    assert {frame.exit_code for frame in frames.values()} == {0}, err
    assert decode_count(frames[f"count={PIN}"].stdout) == ENTRIES
    decoded = decode_dump(frames["services4"].stdout)
    assert len(decoded.entries) == ENTRIES
    assert decoded.entries[-1] == (
        (ENTRIES - 1).to_bytes(12, "little"),
        ((ENTRIES - 1) * 7).to_bytes(12, "big"),
    )
    # What crosses the network: 12.8 MB of JSON as rows, squeezed where gzip is there.
    assert len(frames["services4"].stdout) < (3_400_000 if "gzip" in missing else 1_200_000)


def test_many_sockets_are_reduced_in_bounded_memory(container: Container) -> None:
    title = b"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
    row = "%5d: 0100007F:A000 %08X:%04X 01 00000000:00000000 00:00000000 00000000 0 0 1 2\n"
    rows = "".join(row % (n, 0x0A000000 + n, n % 60_000 + 1) for n in range(ENTRIES))
    container.file("/proc/net/udp", title + rows.encode())
    nonce = new_nonce()
    _, out, err = limited(container, exec_argv(nonce, ["sockets"]))
    frame = parse_frames(nonce, out, err)["sockets"]
    assert frame.exit_code == 0, err
    found = parse_sockets(frame.stdout)
    assert (len(found.peers), found.is_truncated) == (200, True)


def test_the_limit_stops_a_reduction_that_holds_the_line(
    container: Container, full_map: Path
) -> None:
    """Guard of the test above: one line of 12 MB does not fit."""
    argv = ["sh", "-c", 'line=$(bpftool); echo "${#line}"']
    assert int(container.execute(argv).stdout) == full_map.stat().st_size
    code, out, _ = limited(container, argv)
    assert code != 0
    assert out == b""
