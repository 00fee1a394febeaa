from __future__ import annotations

import json

import pytest

from tests.unit.cilium_fixtures import backend_row, dumps_of, read, service_row
from tui.cilium.dumps import MapDump
from tui.cilium.lbmaps import (
    BackendState,
    HeldBackend,
    Scope,
    count_duplicates,
    decode_backends,
    decode_services,
    held_services,
)
from tui.errors import ParseError
from tui.model.services import Address, FrontendKind

V4 = "cilium_lb4_services_v2"
V6 = "cilium_lb6_services_v2"


@pytest.mark.parametrize("version", ["1.11.7", "1.11.7-full", "1.11.7-k8s", "1.17.5", "1.19.4"])
def test_holds_what_the_agents_own_list_shows(version: str) -> None:
    services, backends = dumps_of(version)
    held = held_services([services], [backends])
    listed = json.loads(read(version, "bpf-lb-list.json"))
    assert held.service_entries == sum(len(slots) for slots in listed.values())
    addresses = {f"{one.ip}:{one.port}" for one in held.backends.values()}
    printed = {
        slot.split("/")[0].split(" ")[0]
        for slots in listed.values()
        for slot in slots
        if not slot.startswith("0.0.0.0:0")
    }
    assert addresses == printed
    assert all(len(one.backend_ids) == one.count for one in held.frontends)


def test_slots_without_a_frontend_are_not_held() -> None:
    services, backends = dumps_of("1.11.7-k8s")
    held = held_services([services], [backends])
    assert held.service_entries == 64
    assert held.headless_slots == {Address("10.98.0.13", 80, "ANY")}
    assert Address("10.98.0.13", 80, "ANY") not in {one.address for one in held.frontends}


def test_reads_kinds_affinity_and_wildcards() -> None:
    services, _ = dumps_of("1.19.4")
    held = decode_services(services)
    by_address = {str(one.address): one for one in held.frontends}
    node_port = by_address["0.0.0.0:30080/TCP"]
    assert (node_port.kind, node_port.has_session_affinity) == (FrontendKind.NODE_PORT, True)
    assert by_address["172.16.1.2:80/TCP"].kind is FrontendKind.LOAD_BALANCER
    assert by_address["10.98.0.2:80/TCP"].kind is FrontendKind.CLUSTER_IP
    assert not by_address["10.98.0.2:80/TCP"].has_session_affinity
    assert held.wildcards == 6
    assert all(one.address.port for one in held.frontends)


def test_slots_come_in_their_order_and_leftovers_do_not_count() -> None:
    frontend = ("10.96.0.1", 443, 6)
    rows = [service_row(frontend, slot, number=10 + slot) for slot in (3, 1, 2)]
    held = decode_services(MapDump(V4, [*rows, service_row(frontend, count=2)]))
    (only,) = held.frontends
    assert only.backend_ids == (11, 12)
    assert only.address == Address("10.96.0.1", 443, "TCP")


def test_scopes_are_entries_of_their_own() -> None:
    frontend = ("10.0.0.1", 30080, 17)
    local = (1 << 2) | (1 << 1) | (1 << 13)
    rows = [
        service_row(frontend, flags=local, scope=0),
        service_row(frontend, flags=local, scope=1, count=1),
        service_row(frontend, 1, number=5, flags=local, scope=1),
    ]
    held = decode_services(MapDump(V4, rows))
    external, internal = held.frontends
    assert (external.scope, external.backend_ids) == (Scope.EXTERNAL, ())
    assert (internal.scope, internal.backend_ids) == (Scope.INTERNAL, (5,))
    assert external.is_external_local
    assert external.address.protocol == "UDP"


def test_reads_ipv6_maps() -> None:
    address = ("fd00::1:2", 8080, 132)
    for is_v3 in (False, True):
        rows = [backend_row(7, address, is_v3=is_v3, state=1)]
        found = decode_backends(MapDump("cilium_lb6_backends", rows))
        assert found[7][:4] == ("fd00::1:2", 8080, "SCTP", BackendState.TERMINATING)
    services = [MapDump(V6, [service_row(("fd00:10::1", 80, 6), count=1)]), MapDump(V4, [])]
    backends = [MapDump(f"cilium_lb{family}_backends_v3", []) for family in (4, 6)]
    held = held_services(services, backends)
    assert held.frontends[0].address == Address("fd00:10::1", 80, "TCP")
    assert held.families == {4, 6}
    assert held_services(services, backends[:1]).families == {4}
    assert held_services(services, backends[:1]).frontends == ()


def test_l7_redirects_and_local_redirects_are_told() -> None:
    rows = [
        service_row(("10.0.0.1", 80, 6), flags=1 << 10),
        service_row(("10.0.0.2", 80, 6), flags=1 << 8),
    ]
    first, second = decode_services(MapDump(V4, rows)).frontends
    assert first.is_l7_redirect
    assert second.kind is FrontendKind.LOCAL_REDIRECT


def test_duplicates_are_one_backend_under_several_ids() -> None:
    same = ("10.0.0.1", 80, 0)
    rows = [
        backend_row(1, same),
        backend_row(2, same, state=1),
        backend_row(3, ("10.0.0.1", 81, 0)),
        backend_row(4, ("10.0.0.1", 80, 6)),
        backend_row(5, same, zone=2),
    ]
    found = decode_backends(MapDump("cilium_lb4_backends_v3", rows))
    assert count_duplicates(found.values()) == 1
    assert count_duplicates([]) == 0
    assert count_duplicates([HeldBackend("10.0.0.1", 80, "TCP")] * 3) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [(b"\0" * 12, b"\0" * 8)],
        [(b"\0" * 4, b"\0" * 12)],
        [service_row(("10.0.0.1", 80, 6)), service_row(("fd00::1", 80, 6))],
        [(b"", b"")],
    ],
)
def test_rows_of_other_maps_are_refused(rows: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(ParseError, match=V4):
        decode_services(MapDump(V4, rows))


def test_an_empty_map_is_read_too() -> None:
    held = held_services([MapDump(V4, [])], [MapDump("cilium_lb4_backends_v3", [])])
    assert held.frontends == ()
    assert held.families == {4}
