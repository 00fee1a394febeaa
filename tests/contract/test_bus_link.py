"""A link to a real broker: what goes in comes out, over each transport and version."""

from __future__ import annotations

import asyncio

import pytest

from tests.brokers import MosquittoFactory, Proxy
from tests.contract.link_rig import linked, settle
from tui.bus.link.link import Link, Pace, fresh_client_id
from tui.bus.link.outbox import Bounds
from tui.bus.wire.post import LinkKind, Outgoing

FACTS = "ciltop/v1/c/node/n1/facts"


async def test_a_message_comes_back_as_it_was_sent(mosquitto: MosquittoFactory) -> None:
    payload = bytes(range(256)) * 800
    async with linked(mosquitto().address(), "ciltop/#") as rig:
        rig.link.send(Outgoing(FACTS, payload, 0, is_retained=True, expiry_seconds=3600))
        rig.link.send(Outgoing("ciltop/v1/c/audit", b"who", 1))
        live = await rig.until_came(payload)
        await rig.until_came(b"who")
        assert (live.topic, live.is_retained, live.held_seconds) == (FACTS, False, 0.0)
        assert rig.link.state.protocol == "MQTT 5"
        assert rig.link.state.reason == ""
        counts = rig.link.counts
        assert (counts.sent, counts.received) == (2, 2)
        assert counts.sent_bytes == len(payload) + 3


async def test_the_expiry_that_is_left_tells_how_long_it_was_kept(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    expiry = ("-r", "-V", "5", "-D", "PUBLISH", "message-expiry-interval")
    await asyncio.to_thread(broker.publish, FACTS, "old", *expiry, "3000")
    await asyncio.to_thread(broker.publish, "ciltop/v1/c/room", "older", *expiry, "86000")
    await asyncio.to_thread(broker.publish, "ciltop/v1/c/collector/a", "none", "-r")
    async with linked(broker.address(), "ciltop/#") as rig:
        facts = await rig.until_came(b"old")
        room = await rig.until_came(b"older")
        presence = await rig.until_came(b"none")
    assert facts.is_retained
    assert facts.held_seconds is not None
    assert 600 <= facts.held_seconds < 700
    assert room.held_seconds is not None
    assert 400 <= room.held_seconds < 500
    assert presence.held_seconds is None


@pytest.mark.parametrize("refusal", ["connack", "close"])
async def test_a_broker_that_knows_no_mqtt_5_gets_the_older_one(
    mosquitto: MosquittoFactory, refusal: str
) -> None:
    broker = mosquitto()
    async with Proxy(broker.ports["mqtt"], refusal) as proxy:
        address = broker.address(port=proxy.port)
        async with linked(address, "ciltop/#") as rig:
            rig.link.send(Outgoing(FACTS, b"x", 0, is_retained=True, expiry_seconds=3600))
            message = await rig.until_came(b"x")
            assert message.held_seconds is None
            assert rig.link.state.protocol == "MQTT 3.1.1"
            assert proxy.connections == 2
            broker.kill()
            await rig.until_kind(LinkKind.DOWN)
            broker.start()
            await rig.until_kind(LinkKind.UP)
            assert rig.link.state.protocol == "MQTT 3.1.1"
            await settle(rig)
            assert proxy.refusals == 1, "the old version was not remembered"


@pytest.mark.parametrize("scheme", ["mqtts", "ws", "wss"])
async def test_large_messages_pass_each_transport(mosquitto: MosquittoFactory, scheme: str) -> None:
    broker = mosquitto(has_tls=True, has_websockets=True)
    payloads = [bytes([number]) * 200_000 for number in range(20)]
    async with (
        linked(broker.address(), "ciltop/v1/c/audit", "ciltop/v1/settle") as plain,
        linked(broker.address(scheme), "ciltop/v1/settle", "back") as rig,
    ):
        await settle(plain)
        await settle(rig)
        for payload in payloads:
            rig.link.send(Outgoing("ciltop/v1/c/audit", payload, 1))
        await plain.until_came(payloads[-1])
        assert [payload for payload in plain.payloads if len(payload) > 99] == payloads
        # Mosquitto 2.0 sends 4 KiB in a turn of its loop over a WebSocket (mosquitto issue 1390).
        plain.link.send(Outgoing("back", b"y" * 20_000, 1))
        await rig.until_came(b"y" * 20_000)
        assert rig.link.state.broker == str(broker.address(scheme))


async def test_a_client_certificate_is_enough(mosquitto: MosquittoFactory) -> None:
    acl = "user responder\ntopic readwrite ciltop/#\n"
    broker = mosquitto(has_tls=True, needs_client_certificate=True, acl=acl)
    async with linked(broker.address("mqtts", has_client_certificate=True), "ciltop/#") as rig:
        await settle(rig)
        assert rig.link.state.reason == ""


async def test_a_filter_that_is_no_longer_wanted_brings_nothing(
    mosquitto: MosquittoFactory,
) -> None:
    async with linked(mosquitto().address(), "ciltop/v1/settle", FACTS) as rig:
        await settle(rig)
        rig.link.unsubscribe(FACTS)
        rig.link.send(Outgoing(FACTS, b"unwanted", 1))
        await settle(rig)
        assert b"unwanted" not in rig.payloads


async def test_the_last_word_arrives_and_the_will_does_not(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    topic = "ciltop/v1/c/collector/a"
    will = Outgoing(topic, b"will", 1)
    async with linked(broker.address(), "ciltop/#") as watcher:
        await settle(watcher)
        last = Outgoing(topic, b"goodbye", 1, is_retained=True)
        async with linked(broker.address(), will=will, last=[last]) as leaving:
            await leaving.until_kind(LinkKind.UP)
            leaving.link.send(Outgoing(topic, b"still here", 1, replaces=True))
        await watcher.until_came(b"goodbye")
        await settle(watcher)
        assert b"will" not in watcher.payloads
        assert watcher.payloads[-2] == b"goodbye"


async def test_the_will_is_published_when_a_link_breaks_off(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    will = Outgoing("ciltop/v1/c/collector/a", b"will", 1, is_retained=True)
    async with linked(broker.address(), "ciltop/#") as watcher:
        await settle(watcher)
        up = asyncio.Event()
        link = Link(
            broker.address(),
            will=will,
            on_message=lambda _: None,
            on_state=lambda state: up.set() if state.kind is LinkKind.UP else None,
        )
        running = asyncio.create_task(link.run())
        await asyncio.wait_for(up.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await watcher.until_came(b"will")


async def test_a_short_break_sends_no_delayed_will(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    will = Outgoing("ciltop/v1/c/collector/a", b"will", 1)
    async with (
        linked(broker.address(), "ciltop/#") as watcher,
        Proxy(broker.ports["mqtt"]) as proxy,
        linked(
            broker.address(port=proxy.port), "ciltop/v1/settle", will=will, will_delay_seconds=60
        ) as rig,
    ):
        await settle(watcher)
        await settle(rig)
        await proxy.cut()
        await rig.until_kind(LinkKind.DOWN)
        await rig.until_kind(LinkKind.UP)
        await settle(rig)
        await settle(watcher)
        assert b"will" not in watcher.payloads
        assert rig.link.counts.reconnects == 1


async def test_closing_does_not_wait_for_a_broker_that_is_not_there() -> None:
    from tui.bus.link.address import BrokerAddress

    # 192.0.2.0/24 is for documentation: nothing answers there (RFC 5737).
    async with asyncio.timeout(4), linked(BrokerAddress("mqtt", "192.0.2.1", 1883)) as rig:
        assert rig.link.state.kind is LinkKind.CONNECTING


async def test_what_waits_is_bounded_and_the_newest_state_wins(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    broker.stop()
    async with linked(broker.address(), "ciltop/#", bounds=Bounds(events=3)) as rig:
        await rig.until_kind(LinkKind.DOWN)
        for number in range(50):
            rig.link.send(Outgoing(FACTS, b"facts %d" % number, replaces=True))
            rig.link.send(Outgoing("ciltop/v1/c/warnings/n1", b"line %d" % number))
        assert rig.link.counts.replaced == 49
        assert rig.link.counts.dropped == {"warnings": 47}
        broker.start()
        await rig.until(lambda: len(rig.messages) == 4)
        await settle(rig)
        lines = [payload for payload in rig.payloads if payload.startswith(b"line")]
        assert lines == [b"line 0", b"line 1", b"line 2"]
        assert b"facts 49" in rig.payloads
        assert len(rig.messages) == 5


def test_client_ids_are_fresh_and_safe() -> None:
    first, second = fresh_client_id("prod/eu #1"), fresh_client_id("prod/eu #1")
    assert first != second
    assert first.startswith("ciltop-prod-eu-1-")


def test_a_half_open_connection_is_noticed_within_15_seconds() -> None:
    # A ping after one silent interval, the end after another; paho looks once a second.
    assert 2 * (Pace().keepalive + 1) <= 15


async def test_a_topic_with_a_wildcard_is_refused_at_once(mosquitto: MosquittoFactory) -> None:
    async with linked(mosquitto().address()) as rig:
        for topic in ("", "a/#", "a/+/b"):
            with pytest.raises(ValueError, match="not a topic to publish to"):
                rig.link.send(Outgoing(topic, b""))
