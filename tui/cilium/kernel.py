"""What the boot and start probes print of a node's kernel: configuration, symbols, hooks, headers.

The line formats are those of the probe table (`tui.cilium.probes`). What could not be looked at is
told apart from what was looked for in vain: only the latter is a no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from tui.cilium.output import convert, decode_json, describe_garbage
from tui.errors import ParseError
from tui.safety import CleanText, clean

_ATTACH_TYPE = re.compile(
    r"(?:cgroup_)?(?:inet|udp)?([46]?)_?(connect|sendmsg|recvmsg|getpeername|getsockname|bind"
    r"|post_bind|sock_release|sock_create)([46]?)"
)
_OWN_PROGRAM = re.compile(r"(?:cil_)?sock(?:[46]_|_release|_create)")
_CONFIG_NAME = re.compile(r"CONFIG_[A-Z0-9_]{1,80}")
_DEFINE = re.compile(rb"([^:\s][^:]*):#define\s+(\w+)(?:\s+(.*))?")
_MAX_LINES = 10_000


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What the `kernel` probe found."""

    release: CleanText
    configs: Mapping[str, CleanText] = field(default_factory=dict)
    """CONFIG_X -> `y`, `m`, `n` or a value, for what the file names."""
    config_file: CleanText | None = None
    """None where no configuration could be read: an absent CONFIG_X is then unknown."""
    symbols: Mapping[str, CleanText] = field(default_factory=dict)
    """Symbol -> its module, empty for the kernel itself."""
    is_kallsyms_readable: bool = False
    loaded_modules: Mapping[str, int] = field(default_factory=dict)
    """Module -> how many use it."""
    is_module_list_read: bool = False
    builtin_modules: frozenset[str] = frozenset()
    loadable_modules: frozenset[str] = frozenset()
    sysctls: Mapping[str, CleanText] = field(default_factory=dict)
    """By path, such as `net/ipv4/tcp_fastopen`."""
    nfs_servers: int = 0
    """Lines of /proc/fs/nfsfs/servers below its title."""


@dataclass(frozen=True, slots=True)
class SocketHooks:
    """The socket programs attached to the root cgroup, as `bpftool cgroup tree` lists them."""

    programs: Mapping[str, CleanText]
    """Hook (`connect4`, `getpeername6`, `sock_release`) -> the program's name."""


@dataclass(frozen=True, slots=True)
class GeneratedHeaders:
    """The `#define`s of the headers that the agent generated for its datapath."""

    defines: Mapping[str, CleanText]
    """Name -> value; empty text where there is none."""
    files: tuple[CleanText, ...]
    """The files that could be read."""
    origins: Mapping[str, CleanText]
    """Name -> the file that defines it."""

    def was_read(self, suffix: str) -> bool:
        """Tell whether a file whose path ends so was read: only then an absent name is a no."""
        return any(path.endswith(suffix) for path in self.files)


@dataclass(frozen=True, slots=True)
class BpfHelpers:
    """The helpers that programs on cgroup socket addresses can call."""

    names: frozenset[str]
    source: CleanText
    """`kallsyms` or `bpftool feature probe`."""


class _Program(msgspec.Struct):
    attach_type: str = ""
    name: str | None = None


class _Cgroup(msgspec.Struct):
    programs: list[msgspec.Raw] | None = None


def parse_kernel(stdout: bytes) -> KernelFacts:
    """Parse the `kernel` probe.

    Raises:
        ParseError: there is no `release` line in it.
    """
    lines = list(_words(stdout))
    release = next((words[1] for words in lines if words[0] == "release" and len(words) > 1), None)
    if release is None:
        raise ParseError(describe_garbage(stdout, "kernel probe", "its release"))
    files = _named(lines, "configfile")
    modules = [words for words in lines if words[0] == "module" and len(words) > 2]
    configs = {
        str(words[1]): CleanText(words[2].strip('"'))
        for words in lines
        if words[0] == "config" and len(words) > 2 and _CONFIG_NAME.fullmatch(words[1])
    }
    sysctls = {
        words[1]: " ".join(words[2:]) for words in lines if words[0] == "sysctl" and len(words) > 1
    }
    return KernelFacts(
        release=release,
        configs=MappingProxyType(configs),
        # A file that names none of the options was not really read (no gzip in the container).
        config_file=next((path for path in files if path != "-"), None) if configs else None,
        symbols=MappingProxyType(_symbols(lines)),
        is_kallsyms_readable="readable" in _named(lines, "kallsyms"),
        loaded_modules=MappingProxyType(
            {words[1]: _number(words[3:]) for words in modules if words[2] == "loaded"}
        ),
        is_module_list_read=bool(_named(lines, "modules")),
        builtin_modules=frozenset(words[1] for words in modules if words[2] == "builtin"),
        loadable_modules=frozenset(words[1] for words in modules if words[2] == "dep"),
        sysctls=MappingProxyType({key: CleanText(text) for key, text in sysctls.items() if text}),
        nfs_servers=sum(version != "NV" for version in _named(lines, "nfsfs")),
    )


def _named(lines: Iterable[list[CleanText]], kind: str) -> list[CleanText]:
    return [words[1] for words in lines if words[0] == kind and len(words) > 1]


def _symbols(lines: Iterable[list[CleanText]]) -> dict[str, CleanText]:
    return {
        words[1]: CleanText(words[2].strip("[]")) if len(words) > 2 else CleanText("")
        for words in lines
        if words[0] == "symbol" and len(words) > 1
    }


def _words(stdout: bytes) -> Iterator[list[CleanText]]:
    for line in stdout.splitlines()[:_MAX_LINES]:
        words = [clean(word, 300) for word in line.decode("utf-8", "replace").split()]
        if words:
            yield words


def _number(words: Iterable[str]) -> int:
    text = next(iter(words), "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def parse_cgroup(stdout: bytes) -> SocketHooks:
    """Parse `bpftool -j cgroup tree PATH`; an empty list means that nothing is attached.

    Attach types are spelled `cgroup_inet4_connect` since bpftool 7 and `connect4` before; programs
    of others on the same hooks are left out by their name.

    Raises:
        ParseError: it is not that list.
    """
    items = decode_json(stdout, list[msgspec.Raw], "bpftool cgroup tree")
    programs: dict[str, CleanText] = {}
    for raw in items:
        cgroup = convert(raw, _Cgroup)
        for raw_program in (cgroup.programs if cgroup else None) or ():
            program = convert(raw_program, _Program)
            hook = _hook(program.attach_type) if program else None
            if program is None or hook is None:
                continue
            name = clean(program.name or "")
            if not name or _OWN_PROGRAM.match(name):
                programs[hook] = name
    return SocketHooks(MappingProxyType(programs))


def _hook(attach_type: str) -> str | None:
    # `cgroup_inet4_post_bind` must not pass for `bind`.
    found = _ATTACH_TYPE.fullmatch(attach_type.replace("cgroup_inet_", "cgroup_"))
    if found is None:
        return None
    before, name, after = found.groups()
    return f"{name}{before or after}"


def parse_headers(stdout: bytes) -> GeneratedHeaders:
    """Parse the `headers` probe: `PATH:# read` and `PATH:#define NAME VALUE` lines.

    Raises:
        ParseError: no generated header could be read, so nothing is known of any.
    """
    files: list[CleanText] = []
    defines: dict[str, CleanText] = {}
    origins: dict[str, CleanText] = {}
    for line in stdout.splitlines()[:_MAX_LINES]:
        if line.endswith(b":# read"):
            files.append(clean(line.removesuffix(b":# read")))
            continue
        found = _DEFINE.fullmatch(line)
        if found:
            name = str(clean(found.group(2)))
            defines[name] = clean((found.group(3) or b"").strip())
            origins[name] = clean(found.group(1))
    if not files and not defines:
        raise ParseError("headers: none of the agent's generated headers could be read")
    return GeneratedHeaders(
        MappingProxyType(defines),
        tuple(dict.fromkeys([*files, *origins.values()])),
        MappingProxyType(origins),
    )


def parse_helpers(stdout: bytes) -> BpfHelpers:
    """Parse the `helpers` probe: `# source S`, then one helper a line.

    Raises:
        ParseError: no source is named, so an absent helper would prove nothing.
    """
    lines = [clean(line.strip(), 200) for line in stdout.splitlines()[:_MAX_LINES]]
    source = next((line for line in lines if line.startswith("# source ")), None)
    if source is None:
        raise ParseError(describe_garbage(stdout, "helpers probe", "its source"))
    names = frozenset(str(line) for line in lines if re.fullmatch(r"bpf_\w+", line))
    return BpfHelpers(names, CleanText(source.removeprefix("# source ")))
