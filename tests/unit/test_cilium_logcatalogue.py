"""Every line that the catalogue knows is known in every format, and no other line is."""

from __future__ import annotations

import json
import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cilium_fixtures import OUTPUTS
from tests.unit.log_examples import EXAMPLES, NOT_INSERTED, Example
from tui.checks.registry import BY_HARM
from tui.cilium.logcatalogue import catalogue, explain, map_in, meaning_of, short_form
from tui.cilium.loglines import parse_log_line
from tui.model.logs import LogLevel, LogLine
from tui.safety import CleanText, clean

IDS = [entry.id for entry in catalogue()]
PART_A = {
    *(f"L{n}" for n in range(1, 21)),
    *(f"M{n}" for n in range(1, 26)),
    *(f"K{n}" for n in range(1, 24)),
    *(f"S{n}" for n in range(1, 5)),
    *(f"I{n}" for n in range(1, 9)),
    *(f"E{n}" for n in range(1, 7)),
    *(f"D{n}" for n in range(1, 5)),
    *(f"N{n}" for n in range(1, 4)),
    "G1",
    "H1",
}
LEVELS = {"debug", "info", "warning", "error", "fatal"}
RELEASES = re.compile(r"1\.\d\d(-(1\.\d\d)?)?")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def logrus(example: Example) -> str:
    fields = "".join(f" {key}={quoted(value)}" for key, value in example.fields)
    return f"level={example.level} msg={quoted(example.message)}{fields} subsys=x"


def logrus_timed(example: Example) -> str:
    return f'time="2026-11-22T07:47:00Z" {logrus(example)}'


def slog(example: Example) -> str:
    level = "warn" if example.level == "warning" else example.level
    fields = "".join(f" {key}={quoted(value)}" for key, value in example.fields)
    return (
        f"time=2026-11-22T07:31:31.369766488Z level={level} msg={quoted(example.message)}"
        f" module=agent.controlplane.x{fields}"
    )


def as_json(example: Example) -> str:
    fields = {"level": example.level, "msg": example.message, **dict(example.fields)}
    return json.dumps(fields)


def klog(example: Example) -> str:
    fields = "".join(f" {key}={quoted(value)}" for key, value in example.fields)
    return f'W1122 07:31:31.369766       1 x.go:12] "{example.message}"{fields}'


def nested(example: Example) -> str:
    """Another line that quotes this one whole, escaped twice."""
    fields = "".join(f" {key}={quoted(value)}" for key, value in example.fields)
    return f"level={example.level} msg=stopped error={quoted(quoted(example.message + fields))}"


FORMATS = (logrus, logrus_timed, slog, as_json, klog, nested)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("identity", IDS)
def test_every_entry_explains_its_own_lines_in_every_format(identity: str, form: object) -> None:
    assert EXAMPLES[identity]
    for example in EXAMPLES[identity]:
        assert callable(form)
        if form in (klog, nested) and any(key != "error" for key, _ in example.fields):
            continue  # What the line needs is not a field of its own there.
        line = parse_log_line(form(example), 1.0)
        found = explain(line)
        assert found is not None, line
        assert found.id == identity, line


@pytest.mark.parametrize("identity", IDS)
def test_every_text_of_an_entry_leads_to_it(identity: str) -> None:
    entry = meaning_of(identity)
    assert entry is not None
    field = ((clean(entry.with_field), clean("x")),) if entry.with_field else ()
    for text in entry.texts:
        for words in ("some", "one two: 3 (4)", "%d"):
            message = clean(text.replace("*", words))
            found = explain(LogLine(0.0, LogLevel.WARN, message, fields=field))
            assert found is entry, text


def test_the_catalogue_has_every_entry_of_the_notes_and_examples_of_each() -> None:
    assert set(IDS) >= PART_A
    assert len(IDS) == len(set(IDS))
    assert set(EXAMPLES) == set(IDS)


@pytest.mark.parametrize("identity", IDS)
def test_an_entry_tells_what_a_person_needs(identity: str) -> None:
    entry = meaning_of(identity)
    assert entry is not None
    assert 8 <= len(entry.short) <= 48
    assert not entry.short.endswith(".")
    assert entry.meaning.endswith(".")
    assert entry.action.endswith(".")
    assert len(entry.meaning) <= 200
    assert set(entry.checks) <= set(BY_HARM)
    assert set(entry.levels) <= LEVELS
    assert not entry.releases or RELEASES.fullmatch(entry.releases)
    assert all(RELEASES.fullmatch(releases) for releases in entry.subsystems)
    assert entry.map in ("", "named") or entry.map.startswith("cilium_")


def test_a_cause_in_the_error_wins_over_what_could_not_be_done() -> None:
    full = explain(
        parse_log_line(
            'level=error msg="Error while inserting service in LB map" error="Unable to add backend'
            " &{Key:92 Value:ANY://10.220.31.3:36895}: Unable to update element for"
            " cilium_lb4_backends_v2 map with file descriptor 15: the map is full, please consider"
            ' resizing it. argument list too long" k8sNamespace=shop subsys=k8s-watcher'
        )
    )
    assert full is not None
    assert full.id == "L2"
    other = explain(
        parse_log_line(
            'level=error msg="Error while inserting service in LB map" error="Unable to add backend'
            ' &{Key:92}: operation not permitted" subsys=k8s-watcher'
        )
    )
    assert other is not None
    assert other.id == "L4"
    plain = explain(
        parse_log_line('level=error msg="Error while inserting service in LB map" error=timeout')
    )
    assert plain is not None
    assert plain.id == "L1"


def test_a_full_policy_map_is_told_as_dropped_traffic() -> None:
    found = explain(
        parse_log_line(
            'level=error msg="Failed to add PolicyMap key" error="update map cilium_policy_00380:'
            ' update: key too big for map: argument list too long" subsys=endpoint'
        )
    )
    assert found is not None
    assert found.id == "M14"


def test_the_map_is_the_one_that_the_line_names() -> None:
    line = parse_log_line(
        'time=2026-11-22T07:31:31.369766488Z level=warn msg="Updating frontend failed" module=a.b'
        ' error="upsert backend: update map cilium_lb6_backends_v3: update: key too big for map:'
        ' argument list too long"'
    )
    found = explain(line)
    assert found is not None
    assert map_in(line, found) == "cilium_lb6_backends_v3"
    assert short_form(line, found) == "lb6_backends_v3 is full"


def test_a_map_named_in_another_field_and_none_named() -> None:
    line = parse_log_line(
        'level=warning msg="Removing map to allow for property upgrade (expect map data loss)"'
        " file-path=/sys/fs/bpf/tc/globals/cilium_lb4_services_v2 subsys=bpf"
    )
    found = explain(line)
    assert found is not None
    assert map_in(line, found) == "cilium_lb4_services_v2"
    bare = LogLine(0.0, LogLevel.WARN, clean("10 map sync errors on cilium_host"))
    meaning = explain(bare)
    assert meaning is not None
    assert map_in(bare, meaning) == ""
    assert short_form(bare, meaning) == "a map refuses the agent's entries"


def test_an_entry_about_one_map_says_which_without_the_line() -> None:
    line = LogLine(0.0, LogLevel.WARN, clean("NATmap dump failed during GC on cilium_net"))
    found = explain(line)
    assert found is not None
    assert map_in(line, found) == "cilium_snat*"


@pytest.mark.parametrize(
    ("frontend", "name"),
    [
        ("10.98.0.24:80/TCP (1)", "cilium_lb4_services_v2"),
        ("[fd00::24]:80/TCP (1)", "cilium_lb6_services_v2"),
    ],
)
def test_a_full_services_map_is_that_of_the_frontends_family(frontend: str, name: str) -> None:
    line = parse_log_line(
        f'level=error msg="{NOT_INSERTED}" error="Unable to update service entry {frontend} => 42:'
        ' Unable to update element for LB bpf map: You can resize it with the flag"'
    )
    found = explain(line)
    assert found is not None
    assert found.id == "L5"
    assert map_in(line, found) == name


def test_common_words_need_their_field() -> None:
    bare = parse_log_line('level=warning msg="Mismatch found" subsys=other')
    assert explain(bare) is None
    drift = parse_log_line(
        'time=2026-11-22T07:31:31Z level=warn msg="Mismatch found" module=agent.drift-checker'
        " key=bpf-lb-map-max actual=1024 expectedValue=64 expectedSource=cilium-config"
    )
    found = explain(drift)
    assert found is not None
    assert found.id == "G1"


FOUND = {
    "1.11.7-k8s/agent.log": {"K27": 1, "L2": 18, "L5": 20},
    "1.11.7-full/agent.log": {"L17": 12, "M1": 1},
    "1.19.4-full/agent-map-full.log": {"L5": 15},
    "1.19.4/agent.log": {"L5": 142, "S5": 1},
    "1.17.5/agent.log": {},
    "1.17.5/agent-proc-modules-fatal.log": {},
    "1.11.7/agent.log": {"H2": 1, "L17": 12, "M1": 1},
    "1.11.7/agent-iptables-nft.log": {"E1": 7, "E2": 14, "E4": 7, "E6": 7},
    "1.11.7/agent-eperm-memlock.log": {"K5": 2},
}


@pytest.mark.parametrize("name", FOUND)
def test_real_logs_mean_what_happened_and_nothing_else(name: str) -> None:
    counts: dict[str, int] = {}
    for text in (OUTPUTS / name).read_bytes().splitlines():
        found = explain(parse_log_line(text, 1.0))
        if found is not None:
            counts[found.id] = counts.get(found.id, 0) + 1
    assert counts == FOUND[name]


@pytest.mark.parametrize(
    "text",
    [
        "fork/exec /usr/bin/clang: argument list too long",
        "the bitmap is nearly full",
        "Updating frontend",
        "kernel version: OK",
        "hostPort requested",
        "key is missing",
        "Mismatch found",
        "bitmap sync errors",
        "",
    ],
)
def test_lines_that_only_look_alike_mean_nothing(text: str) -> None:
    assert explain(LogLine(0.0, LogLevel.ERROR, clean(text))) is None
    error = ((CleanText("error"), clean(text)),)
    assert explain(LogLine(0.0, LogLevel.ERROR, clean("failed"), fields=error)) is None


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "Unable to " * 20_000,
        "The requested hostPort " * 10_000,
        "\x1b[31mUpdating frontend failed\x1b[0m" * 5_000,
        "\\" * 200_000 + '"',
        "{" * 200_000,
        "cilium_" * 30_000,
        "optional kernel parameter" * 8_000,
    ],
)
@pytest.mark.parametrize("wrap", ["{}", 'level=warning msg="{}"', 'level=error msg=x error="{}"'])
def test_hostile_lines_are_quick_and_safe(text: str, wrap: str) -> None:
    line = parse_log_line(wrap.replace("{}", text), 1.0)
    started = process_time()
    for _ in range(20):
        found = explain(line)
        if found is not None:
            short_form(line, found)
    # Twenty lines of the longest length that is kept; a blow-up would take minutes.
    assert process_time() - started < 2.0


_WORDS = st.sampled_from(sorted({word for entry in catalogue() for word in entry.texts}))
_TEXTS = st.lists(st.one_of(st.text(max_size=40), _WORDS), max_size=5).map(" ".join)


@given(_TEXTS, _TEXTS, _TEXTS)
def test_no_line_makes_it_fail_and_what_it_says_stands_in_the_line(
    message: str, error: str, name: str
) -> None:
    fields = ((CleanText("error"), clean(error)), (CleanText("map"), clean(name)))
    line = LogLine(0.0, LogLevel.ERROR, clean(message), fields=fields)
    found = explain(line)
    if found is None:
        return
    assert meaning_of(found.id) is found
    short_form(line, found)
    held = f"{line.message}\n{line.error}".replace("\\", "").replace('"', "")
    assert any(
        all(part.replace('"', "") in held for part in text.split("*")) for text in found.texts
    )
