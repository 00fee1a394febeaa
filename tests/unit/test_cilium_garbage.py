"""Whatever a command prints, a parser gives clean facts or a `ParseError` that says what came."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.cilium_fixtures import OUTPUTS, read
from tui.cilium.config import parse_config
from tui.cilium.dumps import MapDump
from tui.cilium.features import FeatureSources, features
from tui.cilium.kernel import parse_cgroup, parse_headers, parse_helpers, parse_kernel
from tui.cilium.lbmaps import decode_backends, decode_services
from tui.cilium.loglines import parse_log_line
from tui.cilium.maps import parse_maps, parse_pins
from tui.cilium.metrics import metrics_between, parse_metrics
from tui.cilium.output import describe_garbage
from tui.cilium.releases import parse_release, release_of_image
from tui.cilium.status import parse_status
from tui.cilium.version import parse_version
from tui.errors import ParseError

Parser = Callable[[bytes], Any]
PARSERS: Mapping[str, Parser] = {
    "status": parse_status,
    "version": parse_version,
    "metrics": parse_metrics,
    "maps": parse_maps,
    "pins": parse_pins,
    "config": parse_config,
    "kernel": parse_kernel,
    "cgroup": parse_cgroup,
    "headers": parse_headers,
    "helpers": parse_helpers,
}
UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
JSON_PARSERS = ("status", "version", "metrics", "maps", "cgroup")


def texts_of(value: object) -> list[str]:
    """All text in a fact."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for pair in value.items() for text in texts_of(pair)]
    if isinstance(value, tuple | list | frozenset):
        return [text for item in value for text in texts_of(item)]
    if is_dataclass(value):
        return [text for one in fields(value) for text in texts_of(getattr(value, one.name))]
    return []


def check(parser: Parser, text: bytes) -> None:
    try:
        found = parser(text)
    except ParseError as error:
        found = error.message or "\0"
    assert not [one for one in texts_of(found) if UNCLEAN.search(one)]


def without_surrogates(text: str) -> bytes:
    """Write JSON as Go does: it has no lone surrogates."""
    return re.sub(r"\\ud[89a-f]..", r"\\ufffd", text).encode()


HOSTILE = st.text(
    st.sampled_from('a1.:/-\x00\x07\x1b[]2J;\x9b\u202e\ud800\x7f\n\t"\\{}é'), max_size=12
)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | HOSTILE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HOSTILE, inner, max_size=4),
    max_leaves=12,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        key: JSON_VALUES
        for key in (
            "cilium", "controllers", "bpf-maps", "kube-proxy-replacement", "masquerading",
            "routing", "Client", "Daemon", "name", "labels", "value", "id", "type", "pinned",
            "programs", "flags", "max_entries", "LBMapEntries", "error",
        )
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=200))
def test_no_bytes_break_a_parser(name: str, text: bytes) -> None:
    check(PARSERS[name], text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(PARSERS)), SHAPED | st.lists(SHAPED, max_size=3), st.data())
def test_no_json_breaks_a_parser(name: str, value: Any, data: st.DataObject) -> None:
    text = json.dumps(value).encode("utf-8")
    check(PARSERS[name], text)
    check(PARSERS[name], text[: data.draw(st.integers(0, len(text)))])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(PARSERS)), st.lists(HOSTILE, max_size=6), st.data())
def test_no_lines_break_a_parser(name: str, words: list[str], data: st.DataObject) -> None:
    heads = ("release ", "config ", "symbol ", "module ", "sysctl ", "x:#define ", "# source ", "")
    lines = [data.draw(st.sampled_from(heads)) + word for word in words]
    check(PARSERS[name], "\n".join(lines).encode("utf-8", "replace"))


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_no_output_of_another_command_breaks_a_parser(name: str) -> None:
    for path in sorted(OUTPUTS.glob("*/*.*")) + sorted(OUTPUTS.glob("*/agent-down/*")):
        check(PARSERS[name], path.read_bytes())


@pytest.mark.parametrize("name", JSON_PARSERS)
@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "printed nothing"),
        (b"\n\0 ", "printed nothing"),
        (b"<html><body>502 Bad Gateway</body></html>", "HTML"),
        (b"Usage:\n  cilium-dbg x [flags]\n", "usage"),
        (
            b'level=fatal msg="Could not find BPF map root" subsys=bpf\n',
            "failed: Could not find BPF",
        ),
        (b'{"cilium": {"state": "Ok"', "cut off|unexpected shape"),
        (b"Error: something\n\nUsage:\n x\n", "failed: Error: something"),
        (b"panic: runtime error: nil\n", "failed: panic"),
        (b"[" * 100_000, "cut off|unexpected shape"),
        (b"{" * 3000 + b"}" * 3000, "cut off|unexpected shape"),
    ],
)
def test_what_came_instead_is_named(name: str, text: bytes, what: str) -> None:
    with pytest.raises(ParseError, match=what):
        PARSERS[name](text)


@pytest.mark.parametrize("version", ["1.11.7", "1.17.5", "1.19.4"])
def test_an_agent_that_is_down_is_named(version: str) -> None:
    for name, parser in (("status", parse_status), ("config", parse_config)):
        with pytest.raises(ParseError, match="printed nothing"):
            parser(read(version, f"agent-down/{name}-o-json.txt"))


def test_garbage_is_described_in_one_clean_line() -> None:
    found = describe_garbage(b"\x1b[2Jhello\nworld" + b"x" * 10_000, "status")
    assert found == "status: expected JSON, got: hello"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", [b"\n", b" ", b"\\", b'"', b"[", b"#", b"a=", b": ", b"1.", b"time="]
)
def test_long_repetitions_take_linear_time(piece: bytes) -> None:
    text = b"x" + piece * 200_000 + b"y"
    for parser in PARSERS.values():
        check(parser, text)
    parse_log_line(text)
    parse_log_line(b"level=warn msg=" + text)


@settings(max_examples=300, deadline=None)
@given(st.lists(HOSTILE, max_size=5), st.data())
def test_no_log_line_breaks_the_parser(parts: list[str], data: st.DataObject) -> None:
    glue = (
        "level=warn msg=",
        'level=error msg="',
        " error=",
        '" x="',
        "time=",
        '{"level":"warn"',
        " ",
    )
    text = "".join(data.draw(st.sampled_from(glue)) + part for part in parts)
    line = parse_log_line(text.encode("utf-8", "surrogatepass"))
    assert not [one for one in texts_of(line) if UNCLEAN.search(one)]
    assert not [one for one in texts_of(parse_log_line(text)) if UNCLEAN.search(one)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=30)), max_size=4))
def test_no_rows_break_the_decoders(rows: list[tuple[bytes, bytes]]) -> None:
    for decode in (decode_services, decode_backends):
        try:
            decode(MapDump("cilium_x", rows))
        except ParseError as error:
            message = error.message
            assert "cilium_x" in message


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=24, max_size=24), st.binary(min_size=12, max_size=12))
def test_any_row_of_the_right_size_is_an_entry(key: bytes, value: bytes) -> None:
    assert decode_services(MapDump("x", [(key, value)])).service_entries == 1
    assert len(decode_backends(MapDump("x", [(key[:4], value)]))) == 1


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_any_text_may_be_asked_for_a_release(text: str) -> None:
    parse_release(text)
    release_of_image(text)


@settings(max_examples=100, deadline=None)
@given(SHAPED, HOSTILE)
def test_features_of_hostile_sources_are_clean(value: Any, text: str) -> None:
    status = without_surrogates(json.dumps({**value, "cilium": {"state": text}}))
    kernel = f"release r{text}\nsymbol {text}\nsysctl net/ipv4/tcp_fastopen {text}\n"
    found = features(
        FeatureSources(
            status=parse_status(status),
            kernel=parse_kernel(kernel.encode("utf-8", "replace")),
            config=parse_config(without_surrogates(json.dumps({"Devices": text}))),
            log_lines=[parse_log_line(f"level=warn msg={text}")],
        )
    )
    assert not [one for one in texts_of(found) if UNCLEAN.search(one)]


def test_metrics_of_two_agents_may_be_compared() -> None:
    first = parse_metrics(read("1.11.7", "metrics-list.json"))
    second = parse_metrics(read("1.19.4", "metrics-list.json"))
    assert metrics_between(first, second, 10.0).interval_seconds == 10.0
