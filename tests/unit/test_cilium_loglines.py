from __future__ import annotations

import pytest

from tests.unit.cilium_fixtures import OUTPUTS
from tui.cilium.loglines import LogParser, parse_log_line
from tui.model.logs import LogLevel

LOGS = sorted(OUTPUTS.glob("*/agent*.log"))
SEVEN = 1795332600.0
"""2026-11-22T07:30:00Z"""


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_line_of_real_agents_is_understood(path: object) -> None:
    lines = OUTPUTS.joinpath(str(path)).read_bytes().splitlines()
    parsed = [parse_log_line(line, SEVEN) for line in lines]
    assert parsed
    # The compiler's output of a failed load stands in the log as it came.
    # The compiler's output of a failed load stands in that log as it came, empty lines included.
    assert not [line for line in parsed if line.is_raw] or "load-failure" in str(path)
    assert all(line.message for line in parsed) or "load-failure" in str(path)
    assert all(line.time > 1.7e9 for line in parsed)


def test_logrus_without_a_time_takes_the_apis() -> None:
    line = parse_log_line(
        b'2026-11-22T07:31:31.369766488Z level=error msg="Error while inserting service in LB map"'
        b' error="Unable to add backend &{Key:92 Value:ANY://10.220.31.3:36895}: the map is full,'
        b' please consider resizing it. argument list too long" k8sNamespace=shop k8sSvcName=web-31'
        b" subsys=k8s-watcher"
    )
    assert line.time == pytest.approx(1795332691.369766)
    assert line.level is LogLevel.ERROR
    assert line.subsystem == "k8s-watcher"
    assert line.error.endswith("argument list too long")
    assert line.fields[1:] == (("k8sNamespace", "shop"), ("k8sSvcName", "web-31"))
    assert parse_log_line("level=info msg=x").time == 0.0
    assert parse_log_line("level=info msg=x", SEVEN).time == SEVEN


def test_logrus_with_a_time() -> None:
    line = parse_log_line(
        'time="2026-11-22T07:35:19.47333684Z" level=warning msg="xt_socket kernel module could not'
        ' be loaded" error="could not load module xt_socket: exec: \\"modprobe\\": executable file'
        ' not found in $PATH" subsys=iptables'
    )
    assert line.level is LogLevel.WARN
    assert line.error.endswith('exec: "modprobe": executable file not found in $PATH')
    assert line.time == pytest.approx(1795332919.473336)


def test_slog_text() -> None:
    line = parse_log_line(
        'time=2026-11-22T07:31:31.369766488Z level=warn msg="Updating frontend failed"'
        " module=agent.controlplane.loadbalancer-reconciler"
        ' error="upsert backend: update map cilium_lb4_backends_v3: update: key too big for map"'
    )
    assert (line.level, line.subsystem) == (LogLevel.WARN, "loadbalancer-reconciler")
    assert [key for key, _ in line.fields] == ["error"]


def test_whole_seconds_give_way_to_the_apis_time() -> None:
    text = "time=2026-11-22T07:30:00Z level=warn msg=x"
    assert parse_log_line(text, SEVEN + 0.25).time == SEVEN + 0.25
    assert parse_log_line(text, SEVEN + 60).time == SEVEN
    assert parse_log_line(text, SEVEN - 1).time == SEVEN
    assert (
        parse_log_line('time="2026-11-22T07:30:00.5Z" level=info msg=x', SEVEN).time == SEVEN + 0.5
    )
    assert parse_log_line('time="2026-11-22T08:30:00+01:00" level=info msg=x').time == SEVEN


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("trace", LogLevel.DEBUG),
        ("DEBUG-4", LogLevel.DEBUG),
        ("notice", LogLevel.INFO),
        ("warn", LogLevel.WARN),
        ("WARNING", LogLevel.WARN),
        ("ERROR+4", LogLevel.ERROR),
        ("err", LogLevel.ERROR),
        ("panic", LogLevel.FATAL),
        ("fatal", LogLevel.FATAL),
    ],
)
def test_level_words(word: str, level: LogLevel) -> None:
    assert parse_log_line(f"level={word} msg=x").level is level


def test_json_of_every_writer() -> None:
    etcd = parse_log_line(
        '{"level":"warn","ts":"2026-11-22T07:30:00.5Z","logger":"etcd-client","caller":"v3/retry.go",'
        '"msg":"retrying of unary invoker failed","attempt":3,"error":"rpc error"}'
    )
    assert (etcd.level, etcd.time, etcd.subsystem) == (LogLevel.WARN, SEVEN + 0.5, "etcd-client")
    assert etcd.error == "rpc error"
    assert ("attempt", "3") in etcd.fields
    old = parse_log_line('{"level":"warn","ts":1795332600.25,"msg":"x"}')
    assert old.time == SEVEN + 0.25
    logrus = parse_log_line('{"level":"error","msg":"boom","subsys":"daemon","nested":{"a":[1]}}')
    assert (logrus.subsystem, logrus.level) == ("daemon", LogLevel.ERROR)
    assert ("nested", '{"a":[1]}') in logrus.fields
    assert parse_log_line('{"a":1}').is_raw
    assert parse_log_line('{"level":"error"').is_raw


def test_klog_and_go_log_lines() -> None:
    klog = parse_log_line(
        "2026-11-22T07:30:01Z W1122 07:30:00.500000       1 reflector.go:424] failed to list"
    )
    assert (klog.level, klog.time) == (LogLevel.WARN, SEVEN + 0.5)
    assert klog.message == "failed to list"
    assert klog.fields == (("source", "reflector.go:424"),)
    assert parse_log_line("E1122 07:30:00.500000       1 a.go:1] x").time == 0.0
    go_log = parse_log_line("2026/11/22 07:30:00 WARN Starting hive")
    assert (go_log.level, go_log.time, go_log.message) == (LogLevel.WARN, SEVEN, "Starting hive")


def test_other_text_is_kept_as_it_is() -> None:
    line = parse_log_line("2026-11-22T07:30:00Z clang: warning: unused", None)
    assert line.is_raw
    assert (line.message, line.time, line.level) == ("clang: warning: unused", SEVEN, LogLevel.INFO)
    assert parse_log_line("Error: dial unix").level is LogLevel.ERROR
    assert parse_log_line(b"").message == ""


def test_a_stack_is_fatal_to_its_end() -> None:
    parser = LogParser()
    texts = [
        "panic: runtime error: invalid memory address or nil pointer dereference",
        "[signal SIGSEGV: segmentation violation code=0x1]",
        "",
        "goroutine 1 [running]:",
        "main.main()",
        "\t/go/src/main.go:17 +0x1d",
    ]
    assert {parser.parse(text).level for text in texts} == {LogLevel.FATAL}
    assert parser.parse("level=info msg=started").level is LogLevel.INFO
    assert parser.parse("plain text").level is LogLevel.INFO


def test_escapes_are_undone_and_cleaned_again() -> None:
    line = parse_log_line(
        r'level=warn msg="a\tb\n\"c\" \\ \u00e9 \U0001f600 \x1b[2Jx \101 \ufeff" key="\x07"'
    )
    assert line.message.startswith('a b␊"c" \\ é 😀 x A')
    assert "\x1b" not in line.message
    assert line.fields == (("key", "␇"),)


def test_hostile_bytes_of_the_line_itself() -> None:
    line = parse_log_line(b'level=error msg="\x1b]0;title\x07boom\xff" error="\xc2\x9b2Jx"')
    assert line.message == "boom�"
    assert line.error == "x"


def test_text_behind_the_message_is_not_lost() -> None:
    assert parse_log_line("level=info msg=hello world and more").message == "hello world and more"
    assert parse_log_line('level=info msg="open end').message == "open end"
    assert parse_log_line("level=info").message == ""
    assert parse_log_line("level=loud msg=x").is_raw
    assert parse_log_line("xlevel=info msg=x").is_raw


def test_long_lines_are_cut_and_still_parsed() -> None:
    line = parse_log_line('level=error msg="' + "x" * 100_000 + '" subsys=a')
    assert line.level is LogLevel.ERROR
    assert len(line.message) < 10_000


def test_the_message_is_found_wherever_it_stands() -> None:
    """1.18+ slog with its AddSource option: the place comes before the message."""
    line = parse_log_line(
        "time=2025-07-29T14:11:40.5Z level=warn source=/go/src/github.com/cilium/cilium/pkg/x.go:12"
        ' msg="Updating frontend failed" module=agent.controlplane.lb error="key too big for map"'
    )
    assert (line.message, line.subsystem, line.error) == (
        "Updating frontend failed",
        "lb",
        "key too big for map",
    )
    late = parse_log_line('level=info msg=Start subsys=daemon time="2023-01-02T03:04:05.5Z"')
    assert (late.message, late.time, late.fields) == ("Start", 1_672_628_645.5, ())
