"""bpftool in an agent's container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tui.simulator.agents import kernelfacts, mapshow
from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.bpfroot import pin_folder
from tui.simulator.bpfmaps import MapSpec
from tui.simulator.model import Agent, SimNode, number_from, policy_specs, spec_of

USAGE = (
    "Usage: bpftool [OPTIONS] OBJECT { COMMAND | help }\n"
    "       bpftool batch file FILE\n"
    "       bpftool version\n\n"
    "       OBJECT := { prog | map | link | cgroup | perf | net | feature | btf | gen |"
    " struct_ops | iter }\n"
    "       OPTIONS := { {-j|--json} [{-p|--pretty}] | {-d|--debug} |\n"
    "                    {-V|--version} }\n"
)
VERSION = "bpftool v7.1.0\nusing libbpf v1.1\nfeatures: libbpf_strict\n"


def run_bpftool(node: SimNode, agent: Agent, context: Context, argv: list[str]) -> Answer:
    """Answer a bpftool command line."""
    options = {word for word in argv if word.startswith("-")}
    words = [word for word in argv if not word.startswith("-")]
    tool = _Bpftool(node, agent, context, options)
    return tool.run(words)


class _Bpftool:
    def __init__(self, node: SimNode, agent: Agent, context: Context, options: set[str]) -> None:
        self._node = node
        self._agent = agent
        self._context = context
        self._folder = pin_folder(node, agent)
        self._is_json = bool(options & {"-j", "--json", "-jf", "-fj", "-p", "--pretty"})
        self._has_pins = bool(options & {"-f", "--bpffs", "-jf", "-fj"})

    def run(self, words: list[str]) -> Answer:
        """Choose what was asked for."""
        if words[:2] in (["map", "show"], ["map", "list"]):
            return self._one(words[3]) if words[2:3] == ["pinned"] and words[3:] else self._all()
        if words[:3] == ["map", "dump", "pinned"] and len(words) == 4:
            return self._dump(words[3])
        if words[:2] in (["cgroup", "tree"], ["cgroup", "show"]):
            return Answer(kernelfacts.cgroup_tree(self._node, self._agent), seconds=0.02)
        if words[:2] == ["feature", "probe"]:
            return self._features()
        if words[:1] == ["version"]:
            return Answer(VERSION.encode(), seconds=0.01)
        return Answer(b"", USAGE.encode(), 255 if words else 0, 0.01)

    def _all(self) -> Answer:
        shown = []
        for pin, described in self._maps():
            pins = {"pinned": [self._folder + pin]} if self._has_pins else {}
            shown.append({**described, **pins})
        if self._is_json:
            return Answer(_compact(shown), seconds=0.02)
        return Answer("".join(map(_text, shown)).encode(), seconds=0.02)

    def _one(self, path: str) -> Answer:
        pin = path.removeprefix(self._folder)
        found = next((described for name, described in self._maps() if name == pin), None)
        if found is None:
            return self._missing(path)
        return Answer(_compact(found) if self._is_json else _text(found).encode(), seconds=0.01)

    def _missing(self, path: str) -> Answer:
        text = f"bpf obj get ({path}): No such file or directory"
        if self._is_json:
            return Answer(_compact({"error": text}), b"", 255, 0.01)
        return Answer(b"", f"Error: {text}\n".encode(), 255, 0.01)

    def _maps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return mapshow.pinned_maps(
            self._node, self._agent, self._context.occupancy, self._context.now
        )

    def _dump(self, path: str) -> Answer:
        pin = path.removeprefix(self._folder)
        spec = self._spec(pin)
        if spec is None:
            return self._missing(path)
        entries = list(raw_entries(self._node, self._agent, self._context, spec, pin))
        seconds = 0.015 + 5e-6 * len(entries)
        if self._is_json:
            rows = ",".join(
                f'{{"key":{_hex_array(key)},"value":{_hex_array(value)}}}' for key, value in entries
            )
            return Answer(f"[{rows}]\n".encode(), seconds=seconds)
        text = "".join(f"key: {key.hex(' ')}  value: {value.hex(' ')}\n" for key, value in entries)
        plural = "" if len(entries) == 1 else "s"
        return Answer(f"{text}Found {len(entries)} element{plural}\n".encode(), seconds=seconds)

    def _spec(self, pin: str) -> MapSpec | None:
        found = spec_of(self._agent.release, pin)
        if found is not None:
            return found
        policies = policy_specs(self._node, self._agent.release)
        return next((spec for spec, name, _ in policies if name == pin), None)

    def _features(self) -> Answer:
        """Answer `feature probe`, which knows nothing of CONFIG_INET_DIAG."""
        kernel = self._node.kernel
        options = {
            name: value for name, value in kernel.options().items() if name in _PROBED_OPTIONS
        }
        helpers = ["bpf_map_lookup_elem", "bpf_map_update_elem", "bpf_get_socket_cookie"]
        if kernel.has_netns_cookie:
            helpers.append("bpf_get_netns_cookie")
        if self._is_json:
            return Answer(_compact(_feature_object(options, helpers)), seconds=0.4)
        lines = ["Scanning system configuration..."]
        for name, value in options.items():
            lines.append(f"{name} is {f'set to {value}' if value else 'not set'}")
        lines += ["", "Scanning eBPF helper functions..."]
        lines += ["eBPF helpers supported for program type cgroup_sock_addr:"]
        lines += [f"\t- {name}" for name in helpers]
        return Answer(("\n".join(lines) + "\n").encode(), seconds=0.4)


_PROBED_OPTIONS = frozenset(
    {
        "CONFIG_BPF",
        "CONFIG_BPF_SYSCALL",
        "CONFIG_BPF_JIT",
        "CONFIG_CGROUP_BPF",
        "CONFIG_NET_CLS_BPF",
        "CONFIG_NET_SCH_INGRESS",
        "CONFIG_HZ",
    }
)
_PROGRAM_TYPES = ("cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "sched_cls", "xdp")


def _feature_object(options: dict[str, str | None], helpers: list[str]) -> dict[str, Any]:
    types = {f"have_{name}_prog_type": True for name in _PROGRAM_TYPES}
    return {
        "system_config": {"unprivileged_bpf_disabled": 2, "bpf_jit_enable": 1, **options},
        "syscall_config": {"have_bpf_syscall": True},
        "program_types": types,
        "map_types": {"have_hash_map_type": True, "have_lru_hash_map_type": True},
        "helpers": {f"{name}_available_helpers": helpers for name in _PROGRAM_TYPES},
        "misc": {"have_large_insn_limit": True},
    }


def raw_entries(
    node: SimNode, agent: Agent, context: Context, spec: MapSpec, pin: str
) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values: the real ones of load-balancing maps, made-up ones of the others."""
    rows = agent.maps.rows.entries(pin, node.address)
    first = next(rows, None)
    if first is not None:
        yield first
        yield from rows
        return
    policies = {name: count for _, name, count in policy_specs(node, agent.release)}
    count = policies.get(pin)
    if count is None:
        count = context.occupancy.entries(node, agent, spec, context.now)
    salt = number_from(f"{node.name}/{pin}").to_bytes(6, "little")
    for number in range(count):
        key = (number.to_bytes(4, "little") + salt * 8)[: spec.key_bytes]
        yield key, (salt * 12)[: spec.value_bytes]


def _hex_array(data: bytes) -> str:
    return '["0x' + data.hex(" ").replace(" ", '","0x') + '"]'


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _text(found: dict[str, Any]) -> str:
    name = f"  name {found['name']}" if "name" in found else ""
    return (
        f"{found['id']}: {found['type']}{name}  flags 0x{found['flags']:x}\n"
        f"\tkey {found['bytes_key']}B  value {found['bytes_value']}B"
        f"  max_entries {found['max_entries']}  memlock {found['bytes_memlock']}B\n"
    )
