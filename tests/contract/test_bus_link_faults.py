"""What a link makes of a broker that dies, is silent, or lets somebody else in with its id."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.brokers import Mosquitto, MosquittoFactory, Proxy
from tests.contract.link_rig import FAST, HOUR, linked, settle
from tui.bus.link.address import BrokerAddress
from tui.bus.wire.post import LinkKind, Outgoing


async def test_a_broker_killed_mid_stream_is_found_again(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    async with linked(broker.address(), "ciltop/#") as rig:
        await settle(rig)
        for number in range(2_000):
            rig.link.send(Outgoing(f"ciltop/v1/c/node/n{number % 50}/facts", b"x" * 3_000))
        await rig.until(lambda: len(rig.messages) > 100)
        broker.kill()
        down = await rig.until_kind(LinkKind.DOWN)
        assert str(broker.address()) in down.reason
        for number in range(100):
            newest = Outgoing("ciltop/v1/c/node/n1/facts", b"new %d" % number, replaces=True)
            rig.link.send(newest)
        broker.start()
        await rig.until_kind(LinkKind.UP)
        await rig.until_came(b"new 99")
        assert b"new 98" not in rig.payloads
        assert rig.link.counts.reconnects == 1


async def test_what_was_not_acknowledged_is_sent_again(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    async with (
        Proxy(broker.ports["mqtt"]) as proxy,
        linked(broker.address(), "ciltop/#") as watcher,
        linked(broker.address(port=proxy.port), "ciltop/v1/settle") as rig,
    ):
        await settle(watcher)
        await settle(rig)
        proxy.freeze()
        rig.link.send(Outgoing("ciltop/v1/c/audit", b"who", 1))
        rig.link.send(Outgoing("ciltop/v1/c/collector/a", b"old", 1, replaces=True))
        await proxy.holds.wait()
        rig.link.send(Outgoing("ciltop/v1/c/collector/a", b"new", 1, replaces=True))
        await proxy.cut()
        proxy.thaw()
        await watcher.until_came(b"who")
        await watcher.until_came(b"new")


@pytest.mark.parametrize("refusal", ["", "connack"])
async def test_a_half_open_connection_is_noticed(mosquitto: MosquittoFactory, refusal: str) -> None:
    broker = mosquitto()
    pace = replace(FAST, keepalive=1)
    async with (
        Proxy(broker.ports["mqtt"], refusal) as proxy,
        linked(broker.address(port=proxy.port), "ciltop/v1/settle", pace=pace) as rig,
    ):
        await settle(rig)
        proxy.freeze()
        down = await rig.until_kind(LinkKind.DOWN)
        assert "not even to our pings" in down.reason
        proxy.thaw()
        await rig.until_kind(LinkKind.UP)
        await settle(rig)


async def test_a_broker_that_never_answers_is_given_up(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    broker.pause()
    async with linked(broker.address(), pace=replace(FAST, connect=0.3)) as rig:
        down = await rig.until_kind(LinkKind.DOWN)
        assert "does not answer" in down.reason
        broker.proceed()
        await rig.until_kind(LinkKind.UP)


async def test_a_broker_that_is_not_there_is_named() -> None:
    from tests.brokers import free_port

    address = BrokerAddress("mqtt", "127.0.0.1", free_port())
    async with linked(address) as rig:
        down = await rig.until_kind(LinkKind.DOWN)
        assert down.reason == f"{address}: nothing listens there"
    async with linked(BrokerAddress("mqtt", "no-such-broker.invalid", 1883)) as rig:
        down = await rig.until_kind(LinkKind.DOWN)
        assert "the name can't be resolved" in down.reason


# Paho forgets the socket of a WebSocket that was refused, and Python closes it.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_what_is_no_broker_is_told(mosquitto: MosquittoFactory) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[31mred")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        for scheme, words in (
            ("mqtt", "hung up"),
            ("ws", "does not answer as a WebSocket for MQTT at /mqtt does"),
        ):
            path = "/mqtt" if scheme == "ws" else ""
            async with linked(BrokerAddress(scheme, "127.0.0.1", port, path)) as rig:
                down = await rig.until_kind(LinkKind.DOWN)
                assert words in down.reason
                assert "\x1b" not in down.reason
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("refusal", ["", "connack"])
async def test_two_with_one_id_do_not_fight(mosquitto: MosquittoFactory, refusal: str) -> None:
    broker = mosquitto()
    slow = replace(FAST, retry_refused=(HOUR, HOUR))
    async with Proxy(broker.ports["mqtt"], refusal) as proxy:
        address = broker.address(port=proxy.port)
        lasting = replace(FAST, stable=0.0)
        async with (
            linked(address, pace=slow, client_id="same") as first,
            linked(address, "ciltop/#", pace=lasting, client_id="same") as second,
        ):
            down = await first.until_reason("does another client use our id 'same'?")
            assert down.kind is LinkKind.DOWN
            await second.until_kind(LinkKind.UP)
            await settle(second)


@pytest.mark.parametrize(
    ("is_at_once", "words"),
    [
        (False, "another client came with our id 'same'"),
        # Aiomqtt forgets why a connection ended that lasted no longer than its CONNACK.
        (True, "ended the connection as soon as it had accepted us"),
    ],
)
async def test_a_broker_that_says_who_took_our_place_is_believed(
    is_at_once: bool, words: str
) -> None:
    async def evict(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        # MQTT 5: CONNACK, then DISCONNECT with reason 142, session taken over.
        writer.write(b"\x20\x03\x00\x00\x00")
        if not is_at_once:
            await reader.read(100)
        writer.write(b"\xe0\x02\x8e\x00")
        await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(evict, "127.0.0.1", 0)
    address = BrokerAddress("mqtt", "127.0.0.1", server.sockets[0].getsockname()[1])
    slow = replace(FAST, retry_refused=(HOUR, HOUR))
    try:
        async with linked(address, "ciltop/#", pace=slow, client_id="same") as rig:
            await rig.until(lambda: any(words in state.reason for state in rig.states))
            down = next(state for state in rig.states if words in state.reason)
            assert down.kind is LinkKind.DOWN
    finally:
        server.close()
        await server.wait_closed()


SUSPENDED = """
import asyncio, sys
from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link, Pace
from tui.bus.wire.post import LinkKind

async def main():
    newest = {}
    def came(incoming):
        newest[incoming.topic] = incoming.payload
        if incoming.payload.startswith(b"say "):
            print(incoming.payload.decode(), flush=True)
    def stands(state):
        print(state.kind.value, flush=True)
    link = Link(BrokerAddress("mqtt", "127.0.0.1", int(sys.argv[1])), client_id="suspended",
                on_message=came, on_state=stands, pace=Pace(keepalive=1, retry=(0.05, 0.1)))
    link.subscribe("ciltop/#", 0)
    await link.run()

asyncio.run(main())
"""


async def test_a_suspended_receiver_stays_small_and_catches_up(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto(lines=["max_queued_messages 100"])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SUSPENDED, str(broker.ports["mqtt"])),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60), linked(broker.address(), "ciltop/v1/settle") as sender:
            assert await process.stdout.readline() == b"up\n"
            await settle(sender)
            # The receiver's own subscription has been answered when its first word comes.
            while not await says(process, "say hello", broker):
                pass
            before = resident_bytes(process.pid)
            process.send_signal(signal.SIGSTOP)
            for number in range(3_000):
                facts = Outgoing(f"ciltop/v1/c/node/n{number % 10}/facts", b"x" * 20_000, 0, True)
                sender.link.send(facts)
            await settle(sender)
            await asyncio.to_thread(broker.wait_for_line, "suspended has exceeded timeout")
            process.send_signal(signal.SIGCONT)
            assert await process.stdout.readline() == b"down\n"
            assert await process.stdout.readline() == b"up\n"
            while not await says(process, "say again", broker):
                pass
            assert resident_bytes(process.pid) - before < 10 * 2**20
    finally:
        process.kill()
        await process.wait()


async def says(process: asyncio.subprocess.Process, word: str, broker: Mosquitto) -> bool:
    """Publish a word, and return whether the receiver repeats it: perhaps it is not there yet."""
    await asyncio.to_thread(broker.publish, "ciltop/v1/word", word)
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 1)
    except TimeoutError:
        return False
    return line.decode().strip() == word


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


async def test_no_socket_and_no_thread_is_left(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(has_tls=True, has_websockets=True)

    def sockets() -> int:
        links = (os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists())
        return sum(1 for link in links if re.match(r"socket:", link))

    before = sockets()
    for scheme in ("mqtt", "mqtts", "ws", "wss"):
        async with linked(broker.address(scheme), "ciltop/v1/settle") as rig:
            await settle(rig)
    assert sockets() == before
