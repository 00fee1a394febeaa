"""What a link leads to where no panel shows it: a configuration key, an object, a cluster fact."""

from __future__ import annotations

import shlex

from tui.model.cluster import CiliumConfigMap, ConfigWrite
from tui.model.findings import ProofKind
from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail, command_lines
from tui.screens.links import FINDING, Link
from tui.screens.next_start_lines import next_start_lines
from tui.screens.node_detail import node_detail_of
from tui.screens.verdicts import LOUD
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.tones import Tone

NODES_SHOWN = 12
WRITES_SHOWN = 6


def link_detail(link: Link, board: Board) -> Detail | None:
    """Return what a link leads to, or None where a panel or screen shows it."""
    if link.kind == ProofKind.CONFIG.value:
        return config_detail(link.key, link.node_uid, board)
    if link.kind == ProofKind.OBJECT.value and is_object(link.key):
        return object_detail(link.key, board)
    if link.kind == ProofKind.AGENT.value and link.node_uid is not None:
        return node_detail_of(link.node_uid, board)
    return None


def is_object(key: str) -> bool:
    """Return whether a key names a Kubernetes object: `Kind/namespace/name`."""
    parts = key.split("/", 2)
    return len(parts) == 3 and bool(parts[0]) and bool(parts[2])


def service_of(link: Link) -> str:
    """Return the Service that a link of the cluster leads to; the empty text for another link."""
    kind, _, name = link.key.partition("/")
    if link.kind == ProofKind.OBJECT.value and kind == "Service":
        return name
    return link.key if link.kind == ProofKind.SERVICE.value and link.node_uid is None else ""


def config_detail(key: str, uid: NodeUid | None, board: Board) -> Detail:
    """Return one configuration key through its layers, or all that a node's next start changes.

    Args:
        key: An option's name; the empty one means the whole configuration.
        uid: The node whose agent is looked at; None for the cluster.
        board: What is known.
    """
    cluster = board.snapshot.cluster
    reading = cluster.config_map
    config = reading.value or CiliumConfigMap({})
    lines: list[DetailLine] = []
    trouble = wording.reading_trouble(reading)
    if trouble:
        lines.append(sentence(f"cilium-config: {trouble}", Tone.WARNING))
    if key:
        lines += [heading(key), *_running_lines(key, uid, board)]
        missing = "not set" if reading.value is not None else "unknown"
        lines.append(value("ConfigMap cilium-config", config.values.get(key, missing)))
        for node_config in cluster.node_configs.value or ():
            if key in node_config.values:
                name = f"CiliumNodeConfig {node_config.name}"
                lines.append(value(name, node_config.values[key], str(node_config.namespace)))
    if uid is not None:
        lines += next_start_lines(board.snapshot.next_starts.get(uid), board.now)
    elif key:
        lines += _pending_lines(key, board)
    lines += _write_lines("ConfigMap cilium-config", config.writes, board.now)
    for node_config in cluster.node_configs.value or ():
        title = f"CiliumNodeConfig {node_config.name}"
        lines += _write_lines(title, node_config.writes, board.now)
    namespace = shlex.quote(cluster.cilium_namespace or "kube-system")
    command = f"kubectl{_context(board)} -n {namespace} get configmap cilium-config -o yaml"
    lines += command_lines([f"{command} --show-managed-fields"])
    return Detail(key or "cilium-config", tuple(lines))


def _running_lines(key: str, uid: NodeUid | None, board: Board) -> list[DetailLine]:
    node = board.node(uid)
    if node is None:
        return []
    running = node.facts.config
    if running.value is None:
        return [value(f"{node.name} runs", wording.reading_trouble(running) or "unknown")]
    wanted = key.replace("-", "").casefold()
    found = next(
        (name for name in running.value.values if name.replace("-", "").casefold() == wanted), None
    )
    said = "not listed by the agent" if found is None else running.value.values[found]
    source = "" if running.origin is None else str(running.origin.source)
    return [value(f"{wording.cut(node.name, 30)} runs", said, source)]


def _pending_lines(key: str, board: Board) -> list[DetailLine]:
    """Return on how many nodes a key would change with the next start."""
    names = [
        facts.node.name
        for uid, facts in board.snapshot.nodes.items()
        if (start := board.snapshot.next_starts.get(uid)) is not None
        and any(pending.key == key for pending in start.pending)
    ]
    total = len(board.snapshot.nodes)
    words = f"{wording.count(len(names))} of {wording.counted(total, 'node')}"
    return [value("changes at next start", words, wording.listed(list(names), NODES_SHOWN))]


def _write_lines(title: str, writes: tuple[ConfigWrite, ...], now: float) -> list[DetailLine]:
    if not writes:
        return []
    lines = [empty_line(), heading(f"Writes of {title} (managedFields)")]
    return lines + [
        value(wording.utc_stamp(write.at), write.manager, wording.ago(now - write.at))
        for write in writes[:WRITES_SHOWN]
    ]


def _context(board: Board) -> str:
    context = board.snapshot.cluster.context
    return f" --context {shlex.quote(context)}" if context else ""


def object_detail(key: str, board: Board) -> Detail:
    """Return a Kubernetes object: which findings are about it, and how to read it.

    Args:
        key: `Kind/namespace/name`, the namespace empty for an object of the cluster.
        board: What is known.
    """
    kind, _, rest = key.partition("/")
    namespace, _, name = rest.rpartition("/")
    lines: list[DetailLine] = [value("kind", kind)]
    if namespace:
        lines.append(value("namespace", namespace))
    lines.append(value("name", name))
    about = [
        (finding, item.detail)
        for finding in board.findings.findings
        for item in finding.objects
        if finding.severity in LOUD and f"{item.kind}/{item.namespace}/{item.name}" == key
    ]
    if about:
        lines += [empty_line(), heading("Findings (enter: go there)")]
    for number, (finding, detail) in enumerate(about):
        link = Link(FINDING, None, finding.key).as_line_key(f"about{number}")
        words = f"{finding.severity.value}: {finding.title}"
        lines.append(value(finding.id, words, str(detail), key=link))
    place = f" -n {shlex.quote(namespace)}" if namespace else ""
    target = f"{shlex.quote(kind.lower())} {shlex.quote(name)}"
    lines += command_lines(
        [
            f"kubectl{_context(board)}{place} {verb}"
            for verb in (f"get {target} -o yaml", f"describe {target}")
        ]
    )
    return Detail(f"{kind} {rest.strip('/')}", tuple(lines))
