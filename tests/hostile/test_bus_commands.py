"""No command is ever taken from a topic, whatever comes on it, though this machine could act.

The dashboard has a kubeconfig that fits, and an operator. Thousands of payloads that look like
commands, forged operations and forged audit records come in: the simulated API server receives not
one request more than without them, and nothing is published.
"""

from __future__ import annotations

import ast
import gzip
import inspect
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.dashboard_rig import Dashboard, Received, Simulated, dashboard, simulated
from tests.unit.bus_source_rig import Sender
from tui.bus.receiving import chooser, clusters, inbox, intake, outlook, reading, source
from tui.bus.wire.encoding import encode_letter
from tui.bus.wire.messages import AuditMessage, RoomMessage
from tui.model.operations import ArmingMode, AuditEvent, AuditRecord
from tui.model.snapshot import Snapshot
from tui.safety import clean

RECEIVING = (chooser, clusters, inbox, intake, outlook, reading, source)

COMMANDS = (
    {"command": "restart"},
    {"command": "restart", "nodes": ["*"], "confirm": True},
    {"kind": "restart", "nodes": ["node-a"], "scope": "cluster"},
    {"intent": {"kind": "hostns-only", "is_on": True, "scope": "cluster"}},
    {"method": "delete", "path": "/api/v1/namespaces/kube-system/pods/cilium-abcde"},
    {"key": "ctrl+r"},
    {"action": "app.quit", "screen": "actions"},
    {"arming": {"mode": "armed"}},
    {"exec": ["sh", "-c", "reboot"]},
    {"write": "/etc/passwd", "text": "root::0:0"},
    {"subscribe": "#"},
    {"publish": "ciltop/v1/fleet/audit", "payload": "x"},
    {"cluster": "other", "choose": True},
)

KINDS = ("operation", "operation-changed", "arming", "arming-changed", "command", "intent", "plan")

TOPICS = (
    "ciltop/v1/fleet/command",
    "ciltop/v1/fleet/commands/restart",
    "ciltop/v1/fleet/node/node-a/restart",
    "ciltop/v1/fleet/node/node-a/facts/set",
    "ciltop/v1/fleet/collector/collector-a/command",
    "ciltop/v1/fleet/operation",
    "ciltop/v1/fleet/arming",
    "ciltop/v2/fleet/audit",
    "ciltop/v1/fleet",
    "ciltop/v1//audit",
    "ciltop/v1/fl%2Feet/../audit",
    "ciltop/v1/%66leet/audit",
    "homeassistant/fleet/set",
    "$SYS/broker/restart",
)

OURS = (
    "ciltop/v1/fleet/audit",
    "ciltop/v1/fleet/room",
    "ciltop/v1/fleet/cluster",
    "ciltop/v1/fleet/findings",
    "ciltop/v1/fleet/collector/collector-a",
    "ciltop/v1/fleet/node/node-a/facts",
    "ciltop/v1/fleet/warnings/node-a",
)

GARBAGE = (
    b"restart",
    b"{}",
    b"[]",
    b"null",
    b"\x00" * 100,
    b"\xff\xfe",
    b'{"schema":"ciltop/1"}',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b'{"schema":"ciltop/1","kind":"audit","seq":' + b"9" * 5_000 + b"}",
    gzip.compress(b"x" * 40_000_000),
    gzip.compress(b'{"command":"restart"}')[:-4],
    b"\x1f\x8b",
    b"x" * 1_000_000,
)


def refused() -> Iterator[tuple[str, bytes]]:
    """Yield what is no message of the schema at all."""
    now = time.time()
    head = {
        "schema": "ciltop/1",
        "cluster": "fleet",
        "sender": "x",
        "run": "r",
        "seq": 1,
        "at": now,
    }
    for command in COMMANDS:
        payload = json.dumps(command).encode()
        for topic in (*TOPICS, *OURS):
            yield topic, payload
            yield topic, gzip.compress(payload)
            yield topic, json.dumps({**head, **command}).encode()
        for kind in KINDS:
            for topic in OURS:
                yield topic, json.dumps({**head, **command, "kind": kind}).encode()
    for topic in (*TOPICS, *OURS):
        for garbage in GARBAGE:
            yield topic, garbage


def forged() -> Iterator[AuditRecord]:
    """Yield well-formed records that look like intents; they may be shown, and no more."""
    for number, command in enumerate(COMMANDS):
        for event in AuditEvent:
            yield AuditRecord(
                time.time() + number,
                event,
                context=clean("simulated"),
                user=clean("admin"),
                host=clean("alice@desk"),
                operation_id=f"f{number:03d}",
                kind="restart",
                text=clean(json.dumps(command)),
                target=clean("delete pods kube-system/cilium-abcde"),
                path=clean("/api/v1/namespaces/kube-system/pods/cilium-abcde"),
            )


def mutated(seeds: list[tuple[str, bytes]], count: int) -> Iterator[tuple[str, bytes]]:
    """Yield true messages with a few bytes or words changed; some of them stay true."""
    chance = random.Random(7)  # noqa: S311 - the same bytes each time
    for _ in range(count):
        topic, payload = chance.choice(seeds)
        plain = gzip.decompress(payload) if payload[:2] == b"\x1f\x8b" else payload
        changed = bytearray(plain)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        yield chance.choice((topic, chance.choice(OURS))), bytes(changed)


def true_messages(cluster: Simulated) -> list[tuple[str, bytes]]:
    """Return one message of each kind, as a collector sends them."""
    sender = Sender(run="run-2")
    name = cluster.nodes[0].name
    messages = (
        (sender.presence(nodes=3, nodes_total=3), sender.id),
        (cluster.facts(0), name),
        (sender.facts_of_cluster(), ""),
        (AuditMessage(tuple(forged())[:3]), ""),
        (RoomMessage(records=tuple(forged())[:3]), ""),
    )
    return [
        (str(sender.topic(message, at)), encode_letter(sender.letter(message, at, time.time())))
        for message, at in messages
    ]


async def ready(board: Dashboard, cluster: Simulated) -> None:
    """Wait until it may act, and has asked all that it asks on its own."""
    cluster.tell(board, Sender())
    await board.until(
        lambda: bool(board.snapshot.room.collectors) and not board.snapshot.room.no_acting, "acting"
    )


async def rejected(board: Dashboard, count: int) -> None:
    await board.until(lambda: board.snapshot.room.rejected >= count, f"{count} rejections")


def acted(snapshot: Snapshot) -> list[object]:
    """Return all that would tell of an operation or of a session that may write."""
    armed = [] if snapshot.arming.mode is ArmingMode.UNARMED else [snapshot.arming]
    return [*snapshot.operations, *armed]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


async def test_nothing_happens_but_counted_rejections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    async with simulated(tmp_path) as cluster:
        received = Received(monkeypatch, cluster.server)
        flags = {"kubeconfig": cluster.kubeconfig, "cluster": "fleet"}
        async with dashboard(monkeypatch, **flags) as board:
            await ready(board, cluster)
            own = received.taken()
            files = _files(state)
            # Of two facts of one node that wait the newer one is read: so each has its own.
            attacks = [
                (topic.replace("/node-a/facts", f"/node-{number}/facts"), payload)
                for number, (topic, payload) in enumerate(refused())
            ]
            assert len(attacks) > 1_000
            for topic, payload in attacks:
                board.link.come(topic, payload)
            await rejected(board, len(attacks))
            assert board.snapshot.room.rejected == len(attacks)
            assert received.taken() == Counter()
            assert board.link.sent == []
            assert acted(board.snapshot) == []
            assert board.snapshot.audit == ()
            assert len(board.snapshot.nodes) == len(cluster.nodes)
            assert _files(state) == files
        assert {method for method, _ in own} <= {"GET"}, own


async def test_forged_audit_records_are_shown_and_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    records = tuple(forged())
    async with simulated(tmp_path) as cluster:
        received = Received(monkeypatch, cluster.server)
        flags = {"kubeconfig": cluster.kubeconfig, "cluster": "fleet"}
        async with dashboard(monkeypatch, **flags) as board:
            await ready(board, cluster)
            received.taken()
            files = _files(state)
            for number, name in enumerate(("alice@desk", "collector-a", "dashboard", "x")):
                board.say(Sender(name), AuditMessage(records[number::4]))
            board.say(Sender(), RoomMessage(records=records))
            shown = sum(not one.event.is_upkeep for one in records)
            await board.until(lambda: len(board.snapshot.audit) >= shown, "the records")
            assert board.snapshot.room.rejected == 0
            assert received.taken() == Counter()
            assert board.link.sent == []
            assert acted(board.snapshot) == []
            assert _files(state) == files


async def test_messages_with_changed_bytes_do_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    async with simulated(tmp_path) as cluster:
        received = Received(monkeypatch, cluster.server)
        flags = {"kubeconfig": cluster.kubeconfig, "cluster": "fleet"}
        async with dashboard(monkeypatch, **flags) as board:
            await ready(board, cluster)
            received.taken()
            for topic, payload in mutated(true_messages(cluster), 2_000):
                board.link.come(topic, payload)
            board.link.come("ciltop/v1/fleet/command", b"the end")
            await rejected(board, 1_000)
            assert received.taken() == Counter()
            assert board.link.sent == []
            assert acted(board.snapshot) == []
            assert board.thread.is_alive


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


WAYS_OUT = {
    "send", "publish", "record", "put_first", "expect_echo", "open", "write_text", "write_bytes",
    "write", "run_coroutine_threadsafe", "system", "popen", "exec", "eval", "get_json", "gate",
    "plan", "begin", "arm", "start",
}  # fmt: skip


@pytest.mark.parametrize("module", RECEIVING, ids=lambda module: module.__name__)
def test_what_receives_calls_nothing_that_leads_out(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    assert called & WAYS_OUT == set()


def test_the_receiving_half_of_a_link_has_no_word_for_sending() -> None:
    words = {name for name in vars(source.Receives) if not name.startswith("_")}
    assert words == {"state", "counts", "subscribe", "unsubscribe", "run", "close"}
