from __future__ import annotations

import gzip
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.probe_shells import dump_json
from tui.cilium.dumps import decode_count, decode_counts, decode_dump
from tui.errors import ParseError

HEAD = b"# cilium_lb4_services_v2\n"


def rows(entries: list[tuple[bytes, bytes]]) -> bytes:
    return HEAD + b"".join(f"{key.hex()} {value.hex()}\n".encode() for key, value in entries)


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 40), st.randoms())
def test_rows_json_and_gzip_decode_the_same(
    key: int, value: int, count: int, random: Random
) -> None:
    entries = [(random.randbytes(key), random.randbytes(value)) for _ in range(count)]
    printed = [
        rows(entries),
        HEAD + dump_json(entries),
        HEAD + dump_json(entries, is_formatted=True),
    ]
    for text in printed + [gzip.compress(each) for each in printed]:
        dump = decode_dump(text)
        assert dump.pin == "cilium_lb4_services_v2"
        assert dump.entries == entries


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_garbage_is_refused_and_never_half_read(garbage: bytes) -> None:
    whole = rows([(b"\x01\x02", b"\x03")] * 3)
    for text in (garbage, HEAD + garbage, whole + garbage):
        try:
            dump = decode_dump(text)
        except ParseError:
            continue
        body = text[len(HEAD) :]
        rebuilt = b"".join(f"{key.hex()} {value.hex()}\n".encode() for key, value in dump.entries)
        assert rebuilt == body or not body.strip() or body.startswith(b"[")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Usage:\n  cilium [command]\n",
        b"0102 03\n",
        b"#\n",
        b"# ../../x\n0102 03\n",
        HEAD + b"0102 03\n0102 0\n",
        HEAD + b"0102 03\n0102 03",
        HEAD + b"0102 03\n010203 \n",
        HEAD + b"0102 03\n01 203\n",
        HEAD + b"zz 03\n",
        HEAD + b'{"error":"bpf obj get: Operation not permitted"}',
        HEAD + b'[{"key":["0x01"],"value":["0x02"]}',
        HEAD + b'[{"key":["0xzz"],"value":["0x02"]}]',
        gzip.compress(rows([(b"1", b"2")] * 99), mtime=0)[:-9],
        b"\x1f\x8bnot gzip",
    ],
    ids=repr,
)
def test_what_is_no_whole_dump_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        decode_dump(text)


def test_an_entry_deleted_while_it_was_read_is_left_out() -> None:
    text = b'[{"key":["0x01"],"value":{"error":"No such file or directory"}},'
    text += b'{"key":["0x02"],"value":["0x03"]}]'
    assert decode_dump(HEAD + text).entries == [(b"\x02", b"\x03")]


def test_a_full_map_is_decoded_whole() -> None:
    entries = [(n.to_bytes(12, "big"), n.to_bytes(12, "little")) for n in range(65_536)]
    assert decode_dump(rows(entries)).entries == entries


def test_counts_are_read_line_by_line() -> None:
    assert decode_count(b"64\n") == 64
    text = b"cilium_lxc 4\nciltop: x\ncilium_lb4_services_v2 65536\n\xff 1\nbad -1\n"
    assert decode_counts(text) == {"cilium_lxc": 4, "cilium_lb4_services_v2": 65536}
    for garbage in (b"", b"-1", b"1 2", b"9" * 40, b"Usage:"):
        with pytest.raises(ParseError):
            decode_count(garbage)
