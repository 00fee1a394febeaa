"""Collectors over a broker that loses, delays and dies: each node ends with exactly one reader."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.unit.bus_members import NODES, STEP_SECONDS, Bus, Collector
from tui.bus.sharing.membership import INTERVAL_SECONDS

IDS = st.sampled_from(["a", "b", "c"])
PLACE = st.integers(min_value=0, max_value=5)

TWO_INTERVALS = 2 * INTERVAL_SECONDS
MOST_LATENCY = 2.0
SLACK = MOST_LATENCY + 3 * STEP_SECONDS

QUIET_SECONDS = TWO_INTERVALS + SLACK
"""After the last event everything must be in order by then."""


class Collectors(RuleBasedStateMachine):
    """Everything that can happen to some collectors."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = Bus()
        self.runs = 0
        self.disturbed_at = 0.0
        self.twice_since: dict[str, float] = {}

    @initialize()
    def begin(self) -> None:
        for name in ("a", "b"):
            self.bus.connect(self.start_one(name, 0.0))
        self.let_pass(3 * INTERVAL_SECONDS)

    def start_one(self, name: str, started_at: float) -> Collector:
        self.runs += 1
        self.disturbed_at = self.bus.now
        return self.bus.start(name, f"run-{self.runs}", started_at)

    def pick(self, place: int) -> Collector:
        return self.bus.collectors[place % len(self.bus.collectors)]

    @precondition(lambda self: len(self.bus.collectors) < 5)
    @rule(name=IDS, started_at=st.floats(min_value=-1e3, max_value=1e3), is_up=st.booleans())
    def start(self, name: str, started_at: float, is_up: bool) -> None:
        one = self.start_one(name, started_at)
        if is_up:
            self.bus.connect(one)

    @precondition(lambda self: self.bus.collectors)
    @rule(place=PLACE, how=st.sampled_from(["stopped", "killed", "host gone"]))
    def end(self, place: int, how: str) -> None:
        one = self.pick(place)
        if how == "stopped":
            self.bus.stop(one)
        else:
            self.bus.kill(one, is_noticed=how == "killed")
        self.disturbed_at = self.bus.now

    @precondition(lambda self: self.bus.collectors)
    @rule(place=PLACE)
    def cut(self, place: int) -> None:
        self.bus.cut(self.pick(place))
        self.disturbed_at = self.bus.now

    @precondition(lambda self: self.bus.collectors)
    @rule(place=PLACE)
    def connect(self, place: int) -> None:
        self.bus.connect(self.pick(place))
        self.disturbed_at = self.bus.now

    @precondition(lambda self: self.bus.is_up)
    @rule(keeps_retained=st.booleans())
    def crash(self, keeps_retained: bool) -> None:
        self.bus.crash(keeps_retained=keeps_retained)
        self.disturbed_at = self.bus.now

    @precondition(lambda self: not self.bus.is_up)
    @rule()
    def recover(self) -> None:
        self.bus.is_up = True
        for one in self.bus.collectors:
            self.bus.connect(one)
        self.disturbed_at = self.bus.now

    @rule(latency=st.sampled_from([0.0, 0.25, 1.0, MOST_LATENCY]))
    def slow_down(self, latency: float) -> None:
        self.bus.latency = latency
        self.disturbed_at = self.bus.now

    @rule(count=st.integers(min_value=1, max_value=3))
    def lose(self, count: int) -> None:
        self.bus.loses = count

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0, 7.0, 30.0]))
    def let_pass(self, seconds: float) -> None:
        for _ in self.bus.run(seconds):
            self.look()

    def look(self) -> None:
        bus = self.bus
        self.disturbed_at = max(self.disturbed_at, bus.lost_at)
        if bus.wills:
            # A will that is still to come is the end of somebody, whom nobody is told of yet.
            self.disturbed_at = bus.now
        for one in bus.collectors:
            if not one.is_up and one.frozen:
                assert one.nodes == one.frozen, "cut off, it keeps its share"
        if not all(one.is_up for one in bus.collectors):
            self.twice_since.clear()
            return
        self.look_at_nodes()

    def look_at_nodes(self) -> None:
        bus = self.bus
        for name in NODES:
            count = len(bus.readers(name))
            if count <= 1:
                self.twice_since.pop(name, None)
            else:
                # Whose presences are lost is as good as cut off.
                since = max(self.twice_since.setdefault(name, bus.now), bus.lost_at)
                assert bus.now - since <= TWO_INTERVALS + SLACK, "read twice"
            if bus.collectors and bus.now - self.disturbed_at > QUIET_SECONDS:
                assert count == 1, f"{name} has {count} readers"
        if bus.collectors and bus.now - self.disturbed_at > QUIET_SECONDS:
            assert sum(one.membership.is_leader for one in bus.collectors) == 1

    def teardown(self) -> None:
        self.bus.is_up, self.bus.loses = True, 0
        for one in self.bus.collectors:
            self.bus.connect(one)
        self.disturbed_at = self.bus.now
        self.let_pass(4 * INTERVAL_SECONDS)


TestCollectors = Collectors.TestCase
TestCollectors.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
