from __future__ import annotations

import json

import pytest

from tests.unit.cilium_fixtures import WITH_STATUS, read
from tui.cilium.maps import GLOBALS, parse_maps, parse_pins
from tui.errors import ParseError
from tui.model.maps import MapKind


def reduced(version: str) -> list[str]:
    """The lines the `maps` probe keeps of a real answer."""
    whole = json.loads(read(version, "bpftool-map-show-f.json"))
    kept = [one for one in whole if any(pin.startswith(GLOBALS) for pin in one["pinned"])]
    return [json.dumps(one, separators=(",", ":")) for one in kept]


@pytest.mark.parametrize("version", WITH_STATUS)
def test_all_forms_of_the_answer_say_the_same(version: str) -> None:
    found = parse_maps(read(version, "bpftool-map-show-f.json"))
    lines = reduced(version)
    assert len(found) > 20
    assert parse_maps("\n".join(lines).encode()) == found
    assert parse_maps((",\n".join(lines)).encode()) == found
    assert parse_maps("\n".join(line[1:-1] for line in lines).encode()) == found
    assert parse_maps(f"[{','.join(lines)}]".encode()) == found
    assert parse_pins(read(version, "bpftool-map-show-pinned.txt")) == found


def test_reads_what_a_map_is() -> None:
    found = {one.pin: one for one in parse_maps(read("1.11.7-full", "bpftool-map-show-f.json"))}
    services = found["cilium_lb4_services_v2"]
    assert (services.key_bytes, services.value_bytes, services.max_entries) == (12, 12, 64)
    assert services.kind is MapKind.HASH
    assert found["cilium_lb4_reverse_sk"].kind is MapKind.LRU_HASH
    assert found["cilium_ipcache"].kind is MapKind.LPM_TRIE
    assert not found["cilium_ipcache"].is_preallocated
    newer = {one.pin: one for one in parse_maps(read("1.19.4", "bpftool-map-show-f.json"))}
    assert newer["cilium_lb4_backends_v3"].is_preallocated
    older = {one.pin: one for one in parse_maps(read("1.11.7-k8s", "bpftool-map-show-f.json"))}
    assert not older["cilium_lb4_backends_v2"].is_preallocated
    assert older["cilium_lb4_backends_v2"].memory_bytes == 896 + 16 * 64 + 64 * 72


def test_pins_may_be_null_and_maps_unpinned() -> None:
    pinned = f'{{"id":3,"type":"hash","max_entries":9,"pinned":["{GLOBALS}cilium_lxc"]}}'
    text = f'[{{"id":1,"type":"hash","pinned":null}},{{"id":2,"type":"array"}},{pinned}]'
    (only,) = parse_maps(text.encode())
    assert (only.pin, only.max_entries, only.memory_bytes) == ("cilium_lxc", 9, None)
    assert parse_maps(b'[{"id":1,"type":"hash","pinned":[]}]') == ()
    assert parse_maps(b"[]\n") == ()


def test_pins_of_others_and_hostile_names_are_left_out() -> None:
    pins = ["/sys/fs/bpf/ip", f"{GLOBALS}a b", f"{GLOBALS}\x1b[2J", f"{GLOBALS}../x/y"]
    text = json.dumps([{"id": 1, "type": "hash", "pinned": pins}])
    assert parse_maps(text.encode()) == ()


def test_bpftools_error_is_named() -> None:
    with pytest.raises(ParseError, match="Operation not permitted"):
        parse_maps(b'{"error":"can\'t get next map: Operation not permitted"}\n')


def test_objects_that_are_no_map_are_left_out_of_the_pins() -> None:
    text = b'cilium_lxc {"id":1,"type":"hash"}\nlink {"error":"incorrect object type: link"}\nx\n'
    assert [one.pin for one in parse_pins(text)] == ["cilium_lxc"]
    with pytest.raises(ParseError):
        parse_pins(b"")
