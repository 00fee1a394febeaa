"""Waves: one node first, never too many, never a Service's last endpoints together."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operations_facts import a_service, agent_set
from tui.cilium.servicespec import EndpointSliceSpec, EndpointSpec, ServiceSpec
from tui.cilium.wants import wanted_service
from tui.model.names import NodeName
from tui.operations.waves import max_unavailable, plan_waves

NAMES = [NodeName(f"node-{number}") for number in range(12)]


def waves(count: int, size: int, unavailable: int = 99, **parts: object) -> list[list[str]]:
    found = plan_waves(NAMES[:count], wave_size=size, unavailable=unavailable, **parts)  # type: ignore[arg-type]  # services
    return [list(wave) for wave in found]


@pytest.mark.parametrize(
    ("text", "desired", "allowed"),
    [
        ("2", 10, 2),
        ("", 10, 1),
        ("0", 10, 1),
        ("10%", 10, 1),
        ("10%", 11, 2),
        ("25%", 200, 50),
        ("1%", 3, 1),
        ("none", 3, 1),
    ],
)
def test_a_daemonset_says_how_many_may_be_away(text: str, desired: int, allowed: int) -> None:
    assert max_unavailable(agent_set(unavailable=text, desired=desired)) == allowed


def test_an_unknown_daemonset_lets_one_go() -> None:
    assert max_unavailable(None) == 1


@pytest.mark.parametrize(
    ("count", "size", "unavailable", "sizes"),
    [
        (0, 3, 9, []),
        (1, 3, 9, [1]),
        (7, 3, 9, [1, 3, 3]),
        (7, 3, 2, [1, 2, 2, 2]),
        (3, 0, 9, [1] * 3),
    ],
)
def test_one_node_first_then_no_more_than_both_limits(
    count: int, size: int, unavailable: int, sizes: list[int]
) -> None:
    assert [len(wave) for wave in waves(count, size, unavailable)] == sizes


def test_the_order_given_is_kept_where_nothing_is_shared() -> None:
    found = plan_waves([NAMES[3], NAMES[1], NAMES[2]], wave_size=2, unavailable=2)
    assert tuple(chain.from_iterable(found)) == (NAMES[3], NAMES[1], NAMES[2])


def test_the_two_nodes_of_a_service_are_never_in_one_wave() -> None:
    found = waves(5, 2, services=[a_service("a/b", "node-1", "node-2")])
    assert found == [["node-0"], ["node-1", "node-3"], ["node-2", "node-4"]]


def test_two_of_three_nodes_of_a_service_may_go_together() -> None:
    found = waves(4, 2, services=[a_service("a/b", "node-1", "node-2", "node-3")])
    assert found == [["node-0"], ["node-1", "node-2"], ["node-3"]]
    found = waves(4, 3, services=[a_service("a/b", "node-1", "node-2", "node-3")])
    assert [len(wave) for wave in found] == [1, 2, 1]


def test_a_node_that_is_named_twice_is_one() -> None:
    assert waves(2, 2, services=[a_service("a/b", "node-1", "node-1")]) == [["node-0"], ["node-1"]]


def test_an_endpoint_on_an_unknown_node_keeps_a_service_alive() -> None:
    found = waves(3, 2, services=[a_service("a/b", "", "node-1", "node-2")])
    assert [len(wave) for wave in found] == [1, 2]


_SETS = st.lists(st.sets(st.sampled_from(NAMES), max_size=4), max_size=8)


@given(_SETS, st.integers(1, 12), st.integers(0, 6), st.integers(1, 6))
def test_no_wave_ever_takes_a_services_last_endpoints(
    sets: list[set[NodeName]], count: int, size: int, unavailable: int
) -> None:
    services = [a_service(f"a/{number}", *sorted(one)) for number, one in enumerate(sets)]
    nodes = NAMES[:count]
    found = plan_waves(nodes, wave_size=size, unavailable=unavailable, services=services)
    assert sorted(tuple(chain.from_iterable(found))) == sorted(nodes)
    assert len(found[0]) == 1
    assert max(map(len, found), default=0) <= max(1, min(size, unavailable))
    for wave in found:
        for names in sets:
            assert len(names) < 2 or not names <= set(wave)


def test_a_services_endpoint_nodes_are_those_with_a_ready_endpoint() -> None:
    def endpoint(node: str, ready: bool | None = True, ending: bool | None = None) -> EndpointSpec:
        return EndpointSpec(("10.0.0.1",), ready, is_terminating=ending, node_name=node)

    endpoints = (
        endpoint("node-2"),
        endpoint("node-1", None),
        endpoint("node-1"),
        endpoint("node-3", ready=False),
        endpoint("node-4", ending=True),
    )
    slices = [EndpointSliceSpec("shop", "db", endpoints=endpoints)]
    found = wanted_service(ServiceSpec("shop", "db", cluster_ips=("10.1.0.1",)), slices).service
    assert found.endpoint_nodes == ("node-1", "node-2")
