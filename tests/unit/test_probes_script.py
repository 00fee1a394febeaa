"""The script itself, under real shells, against stubs that print what real agents printed."""

from __future__ import annotations

import os
import re
import shlex
import time
from pathlib import Path

import pytest

from tests.unit.probe_shells import FIXTURES, SHELLS, Container, dump_json, make_container
from tui.cilium.dumps import decode_count, decode_counts, decode_dump
from tui.cilium.frames import EXIT_NO_AGENT, EXIT_NO_MAP, EXIT_NOT_FOUND, EXIT_UNKNOWN_PROBE
from tui.cilium.maps import parse_maps, parse_pins
from tui.cilium.probes import PROBES, SCRIPT, exec_argv, new_nonce

AGENTS = [("1.11.7", "cilium"), ("1.17.5", "cilium-dbg"), ("1.19.4", "cilium-dbg")]
ENTRIES = [(bytes([n % 256, n >> 8, 0, 255]), bytes([255 - n % 256]) * 8) for n in range(300)]


@pytest.fixture(params=SHELLS)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    return make_container(str(request.param), tmp_path)


def agent_stub(version: str) -> str:
    folder = shlex.quote(str(FIXTURES / version))
    return f"""
case "$*" in
"status -o json") cat {folder}/status.json ;;
"config -a -o json") cat {folder}/config-a-json.json ;;
"version -o json") cat {folder}/version.json ;;
"metrics list -p "*" -o json") cat {folder}/metrics-list-bpf.json ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac"""


def bpftool_stub(dumps: dict[str, Path], show: Path | None = None) -> str:
    cases = "\n".join(f'*/{pin}) cat "{path}" ;;' for pin, path in dumps.items())
    return f"""
case "$*" in
"-j -f map show") cat {show or "/dev/null"} ;;
"-j map dump pinned "*) case $5 in
{cases}
*) printf '{{"error":"bpf obj get (%s): No such file or directory"}}' "$5"; exit 255 ;;
esac ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac"""


def dump_file(container: Container, name: str, content: bytes) -> Path:
    path = container.path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("version", "binary"), AGENTS)
def test_agent_answers_come_back_verbatim(container: Container, version: str, binary: str) -> None:
    container.start_agent()
    container.stub(binary, agent_stub(version))
    frames = container.run("status", "metrics", "version", "config")
    for name, file in {
        "status": "status.json",
        "metrics": "metrics-list-bpf.json",
        "version": "version.json",
        "config": "config-a-json.json",
    }.items():
        assert frames[name].stdout == (FIXTURES / version / file).read_bytes()
        assert (frames[name].exit_code, frames[name].stderr) == (0, b"")
        seconds = frames[name].seconds
        assert seconds is not None
        assert 0 <= seconds < 5


def test_cilium_dbg_is_preferred(container: Container) -> None:
    container.stub("cilium", "echo old")
    container.stub("cilium-dbg", "echo new")
    assert container.run("version")["version"].stdout == b"new\n"


def test_a_bad_answer_costs_its_own_frame_only(container: Container) -> None:
    container.start_agent()
    binary = dump_file(container, "binary", bytes(range(256)) * 16 + b"\nno newline")
    container.stub(
        "cilium-dbg",
        f"""
case $1 in
status) cat {binary}; printf 'half a line' >&2; exit 3 ;;
metrics) printf '\\nNONCE end metrics 0 1.00 2.00\\n\\n'; kill -9 $$ ;;
version) exit 1 ;;
config) echo ok ;;
esac""",
    )
    frames = container.run("status", "metrics", "version", "config")
    assert frames["status"].stdout == binary.read_bytes()
    assert (frames["status"].stderr, frames["status"].exit_code) == (b"half a line", 3)
    assert frames["metrics"].stdout == b"\nNONCE end metrics 0 1.00 2.00\n\n"
    assert frames["metrics"].exit_code == 137
    assert (frames["version"].exit_code, frames["version"].stdout) == (1, b"")
    assert (frames["config"].exit_code, frames["config"].stdout) == (0, b"ok\n")


HANG = """
trap '' TERM INT HUP
sleep 300 &
sleep 300 | cat
"""


@pytest.mark.parametrize("has_setsid", [True, False])
def test_a_hanging_command_is_killed_with_its_children(
    container: Container, has_setsid: bool
) -> None:
    if not has_setsid:
        container.remove("setsid")
    container.start_agent()
    container.stub("cilium-dbg", f"case $1 in status) {HANG} ;; *) echo ok ;; esac")
    begun = time.monotonic()
    frames = container.run("status", "version", limits={"status": 1, "version": 20})
    assert time.monotonic() - begun < 8
    assert frames["status"].exit_code == 124
    assert frames["status"].seconds is not None
    assert 1 <= frames["status"].seconds < 4
    assert (frames["version"].exit_code, frames["version"].stdout) == (0, b"ok\n")
    container.wait_until_empty()


def test_a_hanging_pipeline_is_killed_whole(container: Container) -> None:
    container.pin("cilium_lb4_services_v2")
    container.stub("bpftool", f"printf '[{{'; {HANG}")
    frames = container.run("services4", limits={"services4": 1})
    assert frames["services4"].exit_code == 124
    container.wait_until_empty()


@pytest.mark.parametrize("has_setsid", [True, False])
def test_nothing_lingers_after_a_run(container: Container, has_setsid: bool) -> None:
    """The watchdog's sleep of 20 s must neither stay nor hold the streams open."""
    if not has_setsid:
        container.remove("setsid")
    container.stub("cilium-dbg", "echo ok")
    begun = time.monotonic()
    frames = container.run(*["version"], limits={"version": 20})
    assert time.monotonic() - begun < 10
    assert frames["version"].exit_code == 0
    container.wait_until_empty(3)


def test_a_dead_agent_is_told_at_once(container: Container) -> None:
    container.stub("cilium-dbg", "sleep 15")
    frames = container.run("status", "metrics", "config")
    for frame in frames.values():
        assert frame.exit_code == EXIT_NO_AGENT
        assert b"the agent is not running" in frame.stderr
        assert frame.seconds is not None
        assert frame.seconds < 3


def test_missing_tools_are_named(container: Container) -> None:
    container.start_agent()
    container.pin("cilium_lxc", "cilium_lb4_services_v2")
    probes = ("status", "version", "maps", "pins", "services4", "count=cilium_lxc", "cgroup")
    for name, frame in container.run(*probes).items():
        assert frame.exit_code == EXIT_NOT_FOUND, name
        tool = b"cilium" if name in {"status", "version"} else b"bpftool"
        assert tool in frame.stderr
        assert b"not found" in frame.stderr
    tools = dict(
        line.split(b" ", 1) for line in container.run("tools")["tools"].stdout.splitlines()
    )
    assert tools[b"cilium"] == b"-"
    assert tools[b"awk"].endswith(b"/bin/awk")


@pytest.mark.parametrize("is_formatted", [False, True])
@pytest.mark.parametrize("missing", [[], ["awk"], ["tr"], ["gzip"], ["gzip", "awk"], ["grep"]])
def test_a_dump_decodes_the_same_whatever_is_missing(
    container: Container, missing: list[str], is_formatted: bool
) -> None:
    pin = "cilium_lb4_services_v2"
    dump = dump_json(ENTRIES, is_formatted=is_formatted)
    container.pin(pin)
    container.stub("bpftool", bpftool_stub({pin: dump_file(container, "dump", dump)}))
    container.remove(*missing)
    frames = container.run("services4", f"count={pin}", "counts")
    services = frames["services4"]
    assert (services.exit_code, services.stderr) == (0, b"")
    decoded = decode_dump(services.stdout)
    assert (decoded.pin, decoded.entries) == (pin, ENTRIES)
    if "tr" in missing:
        assert frames[f"count={pin}"].exit_code == EXIT_NOT_FOUND
        assert b"tr" in frames[f"count={pin}"].stderr
        return
    assert decode_count(frames[f"count={pin}"].stdout) == len(ENTRIES)
    assert decode_counts(frames["counts"].stdout) == {pin: len(ENTRIES)}


def test_an_empty_map_is_empty_and_not_unknown(container: Container) -> None:
    container.pin("cilium_lb4_services_v2")
    empty = dump_file(container, "dump", b"[]")
    container.stub("bpftool", bpftool_stub({"cilium_lb4_services_v2": empty}))
    frames = container.run("services4", "count=cilium_lb4_services_v2")
    assert decode_dump(frames["services4"].stdout).entries == []
    assert decode_count(frames["count=cilium_lb4_services_v2"].stdout) == 0


def test_the_newest_backend_map_is_dumped(container: Container) -> None:
    dumps = {}
    for version in "23":
        pin = f"cilium_lb4_backends_v{version}"
        container.pin(pin)
        dumps[pin] = dump_file(container, version, dump_json(ENTRIES[: int(version)]))
    container.stub("bpftool", bpftool_stub(dumps))
    decoded = decode_dump(container.run("backends4")["backends4"].stdout)
    assert (decoded.pin, len(decoded.entries)) == ("cilium_lb4_backends_v3", 3)
    (container.root / "sys/fs/bpf/tc/globals/cilium_lb4_backends_v3").unlink()
    decoded = decode_dump(container.run("backends4")["backends4"].stdout)
    assert (decoded.pin, len(decoded.entries)) == ("cilium_lb4_backends_v2", 2)


def test_a_map_that_is_not_there_says_so(container: Container) -> None:
    container.stub("bpftool", bpftool_stub({}))
    for name, frame in container.run("services6", "count=cilium_x").items():
        assert frame.exit_code == EXIT_NO_MAP, name
        assert b"no map pinned at" in frame.stderr


@pytest.mark.parametrize("missing", [[], ["awk"], ["gzip"]])
def test_a_failing_dump_keeps_its_exit_code_and_error(
    container: Container, missing: list[str]
) -> None:
    container.pin("cilium_lb4_services_v2", "cilium_lxc")
    container.stub("bpftool", bpftool_stub({}))
    container.remove(*missing)
    frames = container.run("services4", "count=cilium_lxc", "counts")
    assert frames["services4"].exit_code == 255
    assert frames["count=cilium_lxc"].exit_code == 255
    assert frames["counts"].exit_code == 255
    assert decode_counts(frames["counts"].stdout) == {}
    assert b"cilium_lxc: not counted" in frames["counts"].stderr
    if not missing:
        assert b"No such file or directory" in frames["services4"].stderr


@pytest.mark.parametrize("version", ["1.11.7", "1.11.7-k8s", "1.17.5", "1.19.4", "1.19.4-full"])
@pytest.mark.parametrize("missing", [[], ["sed"]])
def test_map_show_is_reduced_to_the_same_maps(
    container: Container, version: str, missing: list[str]
) -> None:
    show = FIXTURES / version / "bpftool-map-show-f.json"
    # Newer bpftool adds the processes that hold a map: a nested object in every map's.
    text = re.sub(
        rb"\}(?=[,\]]\{|\]$)", b',"pids":[{"pid":1,"comm":"cilium-agent"}]}', show.read_bytes()
    )
    wanted = parse_maps(show.read_bytes())
    root = str(container.root).encode()
    for source in (show.read_bytes(), text):
        here = source.replace(b'"/sys/fs/bpf', b'"' + root + b"/sys/fs/bpf")
        container.stub("bpftool", bpftool_stub({}, dump_file(container, "show", here)))
        for tool in missing:
            (container.path / "bin" / tool).unlink(missing_ok=True)
        frame = container.run("maps")["maps"]
        assert frame.exit_code == 0
        printed = frame.stdout.replace(root, b"")
        assert parse_maps(printed) == wanted
        if not missing:
            assert len(printed.splitlines()) == len(wanted)


def test_maps_without_pins_in_the_list_are_asked_one_by_one(container: Container) -> None:
    container.pin("cilium_lxc", "cilium_lb4_services_v2", "cilium_cgroups_connect4")
    show = dump_file(container, "show", b'[{"id":7,"type":"hash","pinned":null}]')
    one = '{"id":7,"type":"hash","flags":1,"bytes_key":20,"bytes_value":48,"max_entries":65535}'
    container.stub(
        "bpftool",
        f"""
case "$*" in
"-j -f map show") cat {show} ;;
*connect4) echo '{{"error":"incorrect object type: prog"}}'; exit 255 ;;
"-j map show pinned "*) echo '{one}' ;;
esac""",
    )
    frames = container.run("maps", "pins")
    by_list = parse_maps(frames["maps"].stdout.replace(str(container.root).encode(), b""))
    assert [each.pin for each in by_list] == ["cilium_lb4_services_v2", "cilium_lxc"]
    assert parse_pins(frames["pins"].stdout) == by_list


def test_a_failing_map_show_keeps_its_exit_code(container: Container) -> None:
    container.stub("bpftool", """echo '{"error":"Operation not permitted"}'; exit 255""")
    frame = container.run("maps")["maps"]
    assert frame.exit_code == 255
    assert b"Operation not permitted" in frame.stdout


def test_policy_maps_are_counted_together(container: Container) -> None:
    pins = ["cilium_policy_v2_00743", "cilium_policy_v2_00864", "cilium_policy_01284"]
    container.pin(*pins, "cilium_policystats", "cilium_call_policy")
    dumps = {
        pin: dump_file(container, pin, dump_json(ENTRIES[:size])) for size, pin in enumerate(pins)
    }
    container.stub("bpftool", bpftool_stub(dumps))
    frame = container.run("policies")["policies"]
    assert decode_counts(frame.stdout) == dict(zip(pins, range(3), strict=True))
    assert frame.exit_code == 0


@pytest.mark.parametrize(
    "name", ["nonsense", "count=", "count=$(touch x)", "count=a;touch x", "status x", "*", "-n"]
)
def test_an_unknown_probe_runs_nothing(container: Container, name: str) -> None:
    argv = exec_argv(new_nonce(), ["status"])
    argv[5] = name
    done = container.execute(argv)
    assert b"exit" not in done.stdout
    assert f" {EXIT_UNKNOWN_PROBE} ".encode() in done.stdout
    assert not (Path.cwd() / "x").exists()


def test_only_harmless_commands_reach_the_agent_and_the_kernel(container: Container) -> None:
    """Record every command line of a run of all probes: the table is the whole of it."""
    container.start_agent()
    container.pin(
        *(f"cilium_lb{f}_{m}" for f in "46" for m in ("services_v2", "backends_v3")), "cilium_lxc"
    )
    log = container.path / "log"
    for name in ("cilium", "cilium-dbg", "bpftool", "ip", "nsenter", "dmesg"):
        container.stub(name, f'echo "{name} $*" >>{log}; echo "[]"')
    container.file("/run/cilium/cgroupv2/x")
    container.file("/var/run/cilium/netns/cni-1")
    container.run(*(f"{name}cilium_lxc" if name.endswith("=") else name for name in PROBES))
    root = str(container.root)
    sent = {
        re.sub(r"pinned \S+", "pinned P", line).replace(root, "")
        for line in log.read_text().splitlines()
    }
    metrics = re.search(r"metrics list -p '([^']*)'", PROBES["metrics"].command)
    assert metrics is not None
    assert sent == {
        "cilium-dbg status -o json",
        "cilium-dbg version -o json",
        "cilium-dbg config -a -o json",
        f"cilium-dbg metrics list -p {metrics[1]} -o json",
        "bpftool -j -f map show",
        "bpftool -j map show pinned P",
        "bpftool -j map dump pinned P",
        "bpftool -j cgroup tree /run/cilium/cgroupv2",
        "bpftool -j feature probe kernel",
        "ip -o neigh",
        "ip -o route show default",
        "ip -o -6 route show default",
        "nsenter --net=/var/run/cilium/netns/cni-1 cat /proc/net/udp /proc/net/udp6",
        "dmesg ",
    }


def test_the_stubs_alone_are_on_the_path(container: Container) -> None:
    """Guard of the harness: nothing of this machine answers for the container."""
    assert not os.path.lexists(container.path / "bin" / "bpftool")
    assert container.run("tools")["tools"].stdout.count(b" -\n") == 3
    assert SCRIPT.isascii()
