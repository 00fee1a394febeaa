"""Credentials, certificates and rights: refused things are told, and never tried in a hot loop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.brokers import MosquittoFactory, Proxy
from tests.contract.link_rig import FAST, HOUR, linked, settle
from tui.bus.link.link import DEFAULT_PACE
from tui.bus.wire.post import LinkKind, Outgoing

USERS = {"collector": "right", "viewer": "also right"}
PATIENT = replace(FAST, retry_refused=(HOUR, HOUR))


@pytest.mark.parametrize("refusal", ["", "connack"])
async def test_wrong_credentials_are_told_and_tried_slowly(
    mosquitto: MosquittoFactory, refusal: str
) -> None:
    broker = mosquitto(users=USERS)
    async with Proxy(broker.ports["mqtt"], refusal) as proxy:
        address = broker.address(user="collector", password="wrong", port=proxy.port)
        async with linked(address, pace=PATIENT) as rig:
            refused = await rig.until_kind(LinkKind.REFUSED)
            assert "user 'collector'" in refused.reason
            assert str(address) in refused.reason
            assert "check mqtt-user" in refused.reason
            assert "wrong" not in refused.reason.replace("wrong name", "")
            right = broker.address(user="viewer", password="also right")
            async with linked(right, "ciltop/v1/settle") as other:
                for _ in range(20):
                    await settle(other)
            assert proxy.connections == (2 if refusal else 1)


def test_refusals_are_tried_again_after_15_seconds_at_least() -> None:
    assert DEFAULT_PACE.retry_refused == (15.0, 60.0)
    assert DEFAULT_PACE.retry == (1.0, 30.0)


async def test_right_credentials_let_in(mosquitto: MosquittoFactory, tmp_path: Path) -> None:
    broker = mosquitto(users=USERS)
    path = tmp_path / "password"
    path.write_text("right\n", encoding="utf-8")
    address = replace(broker.address(user="collector"), password_file=path)
    async with linked(address, "ciltop/v1/settle") as rig:
        await settle(rig)


async def test_a_missing_password_file_is_named(
    mosquitto: MosquittoFactory, tmp_path: Path
) -> None:
    broker = mosquitto(users=USERS)
    address = replace(broker.address(user="collector"), password_file=tmp_path / "none")
    async with linked(address, "ciltop/v1/settle") as rig:
        refused = await rig.until_kind(LinkKind.REFUSED)
        assert f"mqtt-password-file {tmp_path / 'none'}: No such file" in refused.reason
        (tmp_path / "none").write_text("right", encoding="utf-8")
        await rig.until_kind(LinkKind.UP)
        await settle(rig)


ACL = "user collector\ntopic readwrite ciltop/v1/prod/#\ntopic readwrite ciltop/v1/settle\n"


async def test_a_topic_that_may_not_be_written_is_named(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(users=USERS, acl=ACL)
    address = broker.address(user="collector", password="right")
    topic = "ciltop/v1/other/collector/a"
    async with linked(address, "ciltop/v1/settle", topic) as rig:
        rig.link.expect_echo(topic)
        rig.link.send(Outgoing(topic, b"x", 1))
        state = await rig.until_reason(topic)
        assert state.kind is LinkKind.UP
        assert "user 'collector'" in state.reason
        assert "does not come back" in state.reason
        (broker.folder / "acl").write_text(f"{ACL}topic readwrite {topic}\n", encoding="utf-8")
        broker.reload()
        await asyncio.to_thread(broker.wait_for_line, "Reloading config")
        rig.link.send(Outgoing(topic, b"x", 1))
        await rig.until(lambda: rig.link.state.reason == "")


@pytest.mark.parametrize("refusal", ["", "connack"])
async def test_a_topic_that_may_not_be_read_is_named(
    mosquitto: MosquittoFactory, refusal: str
) -> None:
    broker = mosquitto(denies_by_plugin=["ciltop/v1/settle"])
    async with (
        Proxy(broker.ports["mqtt"], refusal) as proxy,
        linked(broker.address(port=proxy.port), "ciltop/v1/settle", "ciltop/v1/+/cluster") as rig,
    ):
        state = await rig.until_reason("not read ciltop/v1/+/cluster")
        assert state.kind is LinkKind.UP
        await settle(rig)
        rig.link.unsubscribe("ciltop/v1/+/cluster")
        await rig.until(lambda: rig.link.state.reason == "")


@pytest.mark.parametrize("refusal", ["", "connack"])
async def test_a_broker_that_throws_away_in_silence_is_found_out(
    mosquitto: MosquittoFactory, refusal: str
) -> None:
    broker = mosquitto(users=USERS, acl=ACL)
    topic, fine = "ciltop/v1/other/collector/a", "ciltop/v1/prod/collector/a"
    async with Proxy(broker.ports["mqtt"], refusal) as proxy:
        address = broker.address(user="collector", password="right", port=proxy.port)
        async with linked(address, topic, fine) as rig:
            rig.link.expect_echo(topic)
            rig.link.expect_echo(fine)
            rig.link.send(Outgoing(fine, b"x", 0))
            rig.link.send(Outgoing(topic, b"x", 0))
            state = await rig.until_reason("does not come back")
            assert topic in state.reason
            assert fine not in state.reason


async def test_a_wrong_ca_is_refused(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(has_tls=True)
    assert broker.certificates is not None
    wrong = broker.certificates.wrong_ca
    async with linked(broker.address("mqtts", ca=wrong), pace=PATIENT) as rig:
        refused = await rig.until_kind(LinkKind.REFUSED)
        assert f"authorities: those in {wrong}" in refused.reason
        assert "it is for CN=broker.test, issued by CN=ca" in refused.reason
    async with linked(replace(broker.address("mqtts"), ca=None), pace=PATIENT) as rig:
        refused = await rig.until_kind(LinkKind.REFUSED)
        assert "authorities: those that the system trusts" in refused.reason
    assert not any("MQTT" in line or "New client" in line for line in broker.lines)


async def test_a_certificate_for_another_host_is_refused(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(has_tls=True)
    async with Proxy(broker.ports["mqtts"], host="127.0.0.2") as proxy:
        address = replace(broker.address("mqtts", port=proxy.port), host="127.0.0.2")
        async with linked(address, pace=PATIENT) as rig:
            refused = await rig.until_kind(LinkKind.REFUSED)
            assert "127.0.0.2" in refused.reason
            assert "not valid for" in refused.reason


async def test_a_missing_client_certificate_is_told(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(has_tls=True, needs_client_certificate=True)
    async with linked(broker.address("mqtts"), pace=PATIENT) as rig:
        refused = await rig.until_kind(LinkKind.REFUSED)
        assert "wants a client certificate: set mqtt-cert and mqtt-key" in refused.reason


async def test_a_port_without_tls_is_told(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(has_tls=True)
    async with linked(broker.address("mqtts", port=broker.ports["mqtt"]), pace=PATIENT) as rig:
        await rig.until(lambda: rig.link.state.kind in (LinkKind.REFUSED, LinkKind.DOWN))
        assert "TLS" in rig.link.state.reason


async def test_a_file_that_holds_no_certificate_is_told(
    mosquitto: MosquittoFactory, tmp_path: Path
) -> None:
    broker = mosquitto(has_tls=True)
    empty = tmp_path / "empty.pem"
    empty.touch()
    async with linked(broker.address("mqtts", ca=empty), pace=PATIENT) as rig:
        refused = await rig.until_kind(LinkKind.REFUSED)
        assert f"mqtt-ca {empty}: holds no usable certificate" in refused.reason
