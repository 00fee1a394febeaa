"""Facts that were read from simulated agents go over the broker's wire and come back the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.contract.live_rig import running
from tests.unit.bus_letters import AT, CLUSTER, incoming, letter
from tui.bus.publishing.node_messages import facts_message
from tui.bus.receiving.intake import Intake
from tui.bus.wire.encoding import MOST_BYTES, Decoder, encode_letter
from tui.bus.wire.messages import ClusterMessage, FactsMessage
from tui.bus.wire.packing import unpack
from tui.bus.wire.texts import looks_plain
from tui.model.schema import decode, encode
from tui.model.snapshot import NodeFacts
from tui.store import Store


async def test_what_was_read_live_is_what_a_dashboard_gets(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        nodes, cluster = rig.nodes, rig.snapshot.cluster
    decoder, intake, store = Decoder(), Intake(CLUSTER), Store()
    for facts in nodes:
        one = letter(facts_message(facts))
        payload = encode_letter(one)
        assert len(payload) < MOST_BYTES / 8
        assert looks_plain(unpack(payload, 1 << 22)), "real facts take the quick way"
        arrived = incoming(one, payload, name=facts.node.name)
        assert decoder.decode(arrived) == one
        for fact in intake.facts_of(one, arrived, AT, 0.0):
            store.apply(fact)
        assert decode(NodeFacts, encode(facts)) == facts
    for facts in nodes:
        kept = store.snapshot(AT).nodes[facts.node.uid]
        shown = replace(facts_message(kept).facts or kept, log_error=facts.log_error)
        assert shown == facts_message(facts).facts
    told = letter(ClusterMessage(cluster))
    assert decoder.decode(incoming(told, encode_letter(told))) == told


async def test_a_bounded_cache_makes_no_difference(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        letters = [letter(facts_message(facts)) for facts in rig.nodes]
    decoder = Decoder(most_kept_bytes=0)
    for one in letters:
        message = one.message
        assert isinstance(message, FactsMessage)
        assert message.facts is not None
        arrived = incoming(one, encode_letter(one), name=message.facts.node.name)
        assert decoder.decode(arrived) == one
    assert decoder.kept_bytes == 0
