"""What a responder tells of itself: late where there is no broker, and again where one was lost."""

from __future__ import annotations

from tests.unit.bus_source_rig import HandLink, record
from tui.bus.receiving.responder import RETOLD_AFTER_SECONDS, RETOLD_SECONDS, Responder
from tui.bus.wire.encoding import Decoder
from tui.bus.wire.messages import AuditMessage
from tui.bus.wire.post import Incoming, LinkKind, LinkState
from tui.safety import clean

FLEET = clean("fleet")


class Rig:
    def __init__(self) -> None:
        self.now = 100.0
        self.link = HandLink()
        self.responder = Responder(
            self.link, clean("alice@desk"), wall=lambda: 5.0, monotonic=lambda: self.now
        )

    def stands(self, kind: LinkKind) -> None:
        self.link.state = LinkState(kind)
        self.responder.flush()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.responder.flush()

    def told(self) -> list[str]:
        """Return what was told since it was last asked."""
        sent, self.link.sent = self.link.sent, []
        decoder, found = Decoder(), []
        for one in sent:
            message = decoder.decode(Incoming(one.topic, one.payload, False, 0.0)).message
            assert isinstance(message, AuditMessage)
            found += [str(told.text) for told in message.records]
        return found


def test_what_is_done_without_a_broker_is_told_once_there_is_one() -> None:
    rig = Rig()
    rig.stands(LinkKind.DOWN)
    rig.responder.record(FLEET, record(text="one"))
    rig.responder.record(FLEET, record(text="two"))
    assert rig.told() == []
    rig.stands(LinkKind.UP)
    assert rig.told() == ["one", "two"]
    rig.responder.record(FLEET, record(text="three"))
    assert rig.told() == ["three"]


def test_a_broker_that_came_back_is_told_again_for_those_who_come_later() -> None:
    rig = Rig()
    rig.responder.record(FLEET, record(text="one"))
    assert rig.told() == ["one"]
    rig.stands(LinkKind.DOWN)
    rig.responder.record(FLEET, record(text="two"))
    rig.stands(LinkKind.UP)
    assert rig.told() == ["two"]
    before = 0.0
    for seconds in RETOLD_AFTER_SECONDS:
        rig.pass_time(seconds - before)
        assert rig.told() == ["one", "two"]
        before = seconds
    rig.pass_time(60.0)
    assert rig.told() == []


def test_what_was_told_long_ago_is_not_told_again() -> None:
    rig = Rig()
    rig.responder.record(FLEET, record(text="one"))
    rig.pass_time(RETOLD_SECONDS)
    rig.told()
    rig.stands(LinkKind.DOWN)
    rig.stands(LinkKind.UP)
    rig.pass_time(RETOLD_AFTER_SECONDS[0])
    assert rig.told() == []
