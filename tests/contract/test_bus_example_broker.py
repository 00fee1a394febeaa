"""The broker that the documentation shows: it starts, lets the right ones do the right things."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.brokers import PROGRAM, Certificates, Mosquitto, free_port
from tests.contract.link_rig import FAST, HOUR, linked, settle
from tui.bus.link.address import BrokerAddress
from tui.bus.wire.post import LinkKind, Outgoing
from tui.bus.wire.topics import Topic, TopicKind

DOCS = Path(__file__).parents[2] / "docs"
ROOM = "ciltop/v1/c/room"
NAMED = (TopicKind.PRESENCE, TopicKind.FACTS, TopicKind.PART, TopicKind.WARNINGS)


@pytest.fixture
def example(tmp_path: Path, broker_certificates: Certificates) -> Iterator[Mosquitto]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto mosquitto-clients")
    broker = Mosquitto(tmp_path, broker_certificates)
    broker.ports["mqtts"] = free_port()
    text = (DOCS / "mosquitto.conf.example").read_text(encoding="utf-8")
    text = text.replace("/etc/mosquitto/", f"{tmp_path}/")
    text = text.replace("listener 8883", f"user root\nlistener {broker.ports['mqtts']} 127.0.0.1")
    (tmp_path / "mosquitto.conf").write_text(text, encoding="utf-8")
    acl = (DOCS / "mosquitto.acl.example").read_text(encoding="utf-8")
    (tmp_path / "ciltop.acl").write_text(acl, encoding="utf-8")
    (tmp_path / "ciltop.acl").chmod(0o600)
    (tmp_path / "ca.pem").symlink_to(broker_certificates.ca)
    (tmp_path / "server.pem").symlink_to(broker_certificates.server)
    (tmp_path / "server.key").symlink_to(broker_certificates.server_key)
    (tmp_path / "passwords").touch(0o600)
    for user in ("collector", "responder", "viewer"):
        subprocess.run(
            ["mosquitto_passwd", "-b", str(tmp_path / "passwords"), user, user], check=True
        )
    broker.start()
    yield broker
    broker.stop()


def as_user(broker: Mosquitto, user: str) -> BrokerAddress:
    return broker.address("mqtts", user=user, password=user)


def every_topic() -> list[str]:
    return [str(Topic(kind, "c", "n" if kind in NAMED else "")) for kind in TopicKind]


async def written_by(broker: Mosquitto, user: str) -> set[str]:
    """Return the topics of all kinds on which a user's message arrives at a viewer."""
    async with linked(as_user(broker, "viewer"), "ciltop/v1/#") as viewer:
        await viewer.until_kind(LinkKind.UP)
        async with linked(as_user(broker, user)) as writer:
            for topic in every_topic():
                writer.link.send(Outgoing(topic, user.encode(), 1))
            await writer.until_kind(LinkKind.UP)
        async with linked(as_user(broker, "collector"), ROOM) as other:
            await settle(other, ROOM)
        await viewer.until(lambda: any(b"settled" in payload for payload in viewer.payloads))
        return {message.topic for message in viewer.messages if message.payload == user.encode()}


async def test_each_writes_what_is_theirs(example: Mosquitto) -> None:
    assert await written_by(example, "viewer") == set()
    assert await written_by(example, "responder") == {"ciltop/v1/c/audit"}
    assert await written_by(example, "collector") == set(every_topic()) - {"ciltop/v1/c/audit"}


async def test_nobody_comes_in_without_a_password(example: Mosquitto) -> None:
    patient = replace(FAST, retry_refused=(HOUR, HOUR))
    async with linked(example.address("mqtts"), pace=patient) as rig:
        refused = await rig.until_kind(LinkKind.REFUSED)
        assert "a client without user and certificate" in refused.reason


async def test_a_late_dashboard_gets_every_node(example: Mosquitto) -> None:
    async with linked(as_user(example, "collector"), ROOM) as collector:
        for number in range(3_000):
            topic = str(Topic(TopicKind.FACTS, "c", f"node-{number}"))
            collector.link.send(Outgoing(topic, b"x" * 2_000, 0, True, 3_600, True))
        await settle(collector, ROOM)
        async with linked(as_user(example, "viewer"), "ciltop/v1/+/node/+/facts") as late:
            await late.until(lambda: len(late.messages) == 3_000)
            assert all(message.held_seconds is not None for message in late.messages)
        assert collector.link.counts.dropped == {}
