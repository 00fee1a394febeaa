"""The host facts of one node over its visits: each part keeps its last value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tui.cilium.frames import EXIT_NOT_FOUND, EXIT_TIMED_OUT, Frame
from tui.cilium.releases import Release
from tui.collect.host_reader import HostReader
from tui.collect.pools import Sharing
from tui.model.host import HostFacts, MapSurvival
from tui.model.names import ContainerId, NodeUid
from tui.model.reading import Origin, Reading, ReadingState
from tui.safety import CleanText

CLIENTS = b"# nfs absent\n# modules read\nrbd 1 2 - Live\nceph 1 0 - Live\n# fastopen read\n1\n"
SOCKETS = b"# host\n# pods 1 1\nhost 0A00600A:0035 1\ncni-1 0A00600A:0035 2\n"
NEIGHBORS = b"dev eth0 2 physical\ndefault eth0\n"
OLD = Release(1, 17, 5)
NEW = Release(1, 19, 4)


class Rig:
    """A reader whose clock counts its visits."""

    def __init__(self, release: Release | None = OLD, sharing: Sharing | None = None) -> None:
        self.reader = HostReader(sharing or Sharing())
        self.release = release
        self.visits = 0

    def read(self, **answers: bytes | int) -> Reading[HostFacts] | None:
        """Read answers; a number is an exit code without an answer."""
        self.visits += 1
        frames = {
            name: Frame(name, 0, 0.1, given, b"", False)
            if isinstance(given, bytes)
            else Frame(name, given, 0.1, b"", b"ciltop: ip: not found in this container", False)
            for name, given in answers.items()
        }
        return self.reader.read(frames, frozenset(answers), self.release, self.origin)

    def known(self, **answers: bytes | int) -> HostFacts:
        reading = self.read(**answers)
        assert reading is not None
        assert reading.value is not None
        return reading.value

    def origin(self, probe: str) -> Origin:
        at = float(self.visits)
        return Origin(CleanText(f"see {probe}"), at, NodeUid("n"), ContainerId("c"), "")


def test_nothing_asked_is_nothing_told() -> None:
    assert Rig().read() is None


def test_parts_come_and_stay() -> None:
    rig = Rig()
    first = rig.known(clients=CLIENTS, sockets=SOCKETS)
    assert first.neighbors is None
    second = rig.known(neighbors=NEIGHBORS)
    assert second.clients is first.clients
    assert second.sockets is first.sockets
    assert second.neighbors is not None
    assert second.read_at == {"clients": 1.0, "sockets": 1.0, "neighbors": 2.0}
    assert second.reasons == {}
    reading = rig.read(clients=CLIENTS)
    assert reading is not None
    assert reading.origin is not None
    assert (reading.origin.source, reading.origin.observed_at) == ("see clients", 3.0)


def test_a_part_that_fails_keeps_its_value_and_says_why() -> None:
    rig = Rig()
    before = rig.known(clients=CLIENTS, sockets=SOCKETS, neighbors=NEIGHBORS)
    facts = rig.known(sockets=EXIT_TIMED_OUT, neighbors=EXIT_NOT_FOUND, clients=b"<html>")
    assert facts == replace(before, reasons=facts.reasons)
    assert "killed" in facts.reasons["sockets"]
    assert "not found" in facts.reasons["neighbors"]
    assert "HTML" in facts.reasons["clients"]
    assert facts.read_at["sockets"] == 1.0
    assert rig.known(sockets=SOCKETS).reasons.keys() == {"neighbors", "clients"}


@pytest.mark.parametrize(
    ("code", "state"),
    [(EXIT_NOT_FOUND, ReadingState.UNKNOWN), (EXIT_TIMED_OUT, ReadingState.FAILED)],
)
def test_nothing_known_is_no_host_without_clients(code: int, state: ReadingState) -> None:
    reading = Rig().read(clients=code)
    assert reading is not None
    assert (reading.state, reading.value) == (state, None)
    assert reading.reason


def accepted(number: int) -> bytes:
    netstat = f"# netstat read\nTcpExt: TCPFastOpenPassive\nTcpExt: {number}\n"
    return CLIENTS + netstat.encode()


def test_a_counter_grows_from_one_reading_to_the_next() -> None:
    rig = Rig()
    grown = []
    for number in (40, 52, 52, 3, 4):
        clients = rig.known(clients=accepted(number)).clients
        assert clients is not None
        grown.append(clients.fastopen_growth)
    assert grown == [0, 12, 0, 0, 1]
    rig.reader.reboot()
    clients = rig.known(clients=accepted(9)).clients
    assert clients is not None
    assert clients.fastopen_growth == 0


def test_another_boot_forgets_all() -> None:
    rig = Rig()
    rig.known(clients=CLIENTS, sockets=SOCKETS)
    rig.reader.reboot()
    assert rig.known(neighbors=NEIGHBORS).clients is None


def test_a_release_that_needs_no_neighbors_says_so() -> None:
    rig = Rig()
    rig.known(neighbors=NEIGHBORS)
    rig.release = NEW
    facts = rig.known(clients=CLIENTS)
    assert facts.neighbors is None
    assert "1.12 to 1.17" in facts.reasons["neighbors"]


def test_equal_answers_of_nodes_share_their_values() -> None:
    sharing = Sharing()
    one, two = Rig(sharing=sharing), Rig(sharing=sharing)
    first = one.known(clients=CLIENTS, sockets=SOCKETS, neighbors=NEIGHBORS)
    again = two.known(clients=CLIENTS, sockets=SOCKETS, neighbors=NEIGHBORS)
    assert first.clients is again.clients
    assert first.sockets is again.sockets
    assert first.neighbors is again.neighbors
    other = two.known(clients=CLIENTS.replace(b"read\n1\n", b"read\n3\n"))
    assert other.clients is not None
    assert first.clients is not None
    assert other.clients.tcp_fastopen == 3
    assert other.clients.module_uses is first.clients.module_uses
    assert first.clients.module_uses == {"rbd": 2, "ceph": 0}
    more = two.known(sockets=SOCKETS + b"host 0B00600A:0035 1\n")
    assert more.sockets is not None
    assert first.sockets is not None
    assert more.sockets.peers[0].address is first.sockets.peers[0].address


MOUNTS = (
    b"# table /proc/self\n1 0 0:50 / / rw - overlay overlay rw\n"
    b"2 1 0:22 / /sys rw - sysfs sysfs rw\n"
    b"3 2 0:31 / /sys/fs/bpf rw master:4 - bpf bpf rw\n# pins /sys/fs/bpf\n"
)


def test_mounts_are_of_one_container() -> None:
    rig = Rig()
    rig.known(clients=CLIENTS)
    reading = rig.read(mounts=MOUNTS)
    assert reading is not None
    assert reading.value is not None
    # What the host uses was not read again: its age stays.
    assert reading.origin is not None
    assert reading.origin.source == "see clients"
    facts = reading.value
    assert facts.mounts is not None
    assert (facts.mounts.survival, facts.mounts.container_id) == (MapSurvival.YES, "c")
    assert facts.read_at == {"clients": 1.0, "mounts": 2.0}
    rig.reader.restart()
    facts = rig.known(sockets=SOCKETS)
    assert facts.mounts is None
    assert facts.clients is not None
    assert facts.read_at == {"clients": 1.0, "sockets": 3.0}


def test_mounts_that_cannot_be_read_say_why_and_hide_nothing() -> None:
    rig = Rig()
    assert "not found" in rig.known(mounts=EXIT_NOT_FOUND).reasons["mounts"]
    facts = rig.known(clients=CLIENTS, mounts=b"<html>")
    assert facts.mounts is None
    assert "HTML" in facts.reasons["mounts"]
    assert facts.clients is not None
    assert rig.known(mounts=MOUNTS).reasons == {}
