"""What is wanted, kept from watches; what changed a moment ago alarms nobody."""

from __future__ import annotations

from tests.unit.collect_clock import VirtualClock
from tui.cilium.servicespec import (
    EndpointPortSpec,
    EndpointSliceSpec,
    EndpointSpec,
    ServicePortSpec,
    ServiceSpec,
)
from tui.collect.wants import WantKeeper, without_settling
from tui.model.services import (
    Address,
    FaultKind,
    FrontendFault,
    FrontendKind,
    ServiceCoverage,
)
from tui.safety import clean


def service(name: str, ip: str = "10.96.0.1") -> ServiceSpec:
    return ServiceSpec("shop", name, cluster_ips=(ip,), ports=(ServicePortSpec(80),))


def endpoints(owner: str, *ips: str) -> EndpointSliceSpec:
    return EndpointSliceSpec(
        "shop",
        owner,
        (EndpointPortSpec(8080),),
        tuple(EndpointSpec((ip,)) for ip in ips),
    )


def listed(keeper: WantKeeper) -> None:
    keeper.put_service(service("web"))
    keeper.keep_services([("shop", "web")])
    keeper.put_slice(("shop", "web-abc"), endpoints("web", "10.0.0.1"))
    keeper.keep_slices([("shop", "web-abc")])


async def backends(keeper: WantKeeper) -> list[str]:
    wants = await keeper.wants()
    assert wants is not None
    return [str(backend) for one in wants.services.services for backend in one.backends]


async def test_nothing_is_wanted_before_both_lists_are_there() -> None:
    keeper = WantKeeper(VirtualClock())
    keeper.put_service(service("web"))
    keeper.keep_services([("shop", "web")])
    assert await keeper.wants() is None
    keeper.keep_slices([])
    assert await keeper.wants() is not None


async def test_changes_are_taken_in_and_only_then_worked_out() -> None:
    keeper = WantKeeper(VirtualClock())
    listed(keeper)
    assert await backends(keeper) == ["10.0.0.1:8080/TCP"]
    first = await keeper.wants()
    second = await keeper.wants()
    assert first is not None
    assert second is not None
    assert first.services is second.services
    keeper.put_slice(("shop", "web-abc"), endpoints("web", "10.0.0.1", "10.0.0.2"))
    assert await backends(keeper) == ["10.0.0.1:8080/TCP", "10.0.0.2:8080/TCP"]
    keeper.drop_slice(("shop", "web-abc"))
    assert await backends(keeper) == []
    keeper.drop_service(("shop", "web"))
    wants = await keeper.wants()
    assert wants is not None
    assert wants.services.services == ()


async def test_a_slice_that_moves_to_another_service_leaves_the_first() -> None:
    keeper = WantKeeper(VirtualClock())
    listed(keeper)
    keeper.put_service(service("api", "10.96.0.2"))
    keeper.put_slice(("shop", "web-abc"), endpoints("api", "10.0.0.1"))
    wants = await keeper.wants()
    assert wants is not None
    found = {one.name: len(one.backends) for one in wants.services.services}
    assert found == {"shop/api": 1, "shop/web": 0}


async def test_a_fresh_list_drops_what_is_gone() -> None:
    keeper = WantKeeper(VirtualClock())
    listed(keeper)
    keeper.put_service(service("api", "10.96.0.2"))
    keeper.keep_services([("shop", "api")])
    keeper.keep_slices([])
    wants = await keeper.wants()
    assert wants is not None
    assert [one.name for one in wants.services.services] == ["shop/api"]


async def test_only_what_changed_after_the_first_list_is_settling() -> None:
    clock = VirtualClock()
    keeper = WantKeeper(clock)
    listed(keeper)
    wants = await keeper.wants()
    assert wants is not None
    assert wants.settling == frozenset()
    keeper.put_service(service("api", "10.96.0.2"))
    keeper.put_slice(("shop", "web-abc"), endpoints("web", "10.0.0.9"))
    wants = await keeper.wants()
    assert wants is not None
    assert wants.settling == {"shop/api", "shop/web"}
    clock.now += 16.0
    wants = await keeper.wants()
    assert wants is not None
    assert wants.settling == frozenset()


async def test_an_unchanged_object_of_a_fresh_list_is_no_change() -> None:
    keeper = WantKeeper(VirtualClock())
    listed(keeper)
    await keeper.wants()
    before = keeper.version
    keeper.put_service(service("web"))
    keeper.put_slice(("shop", "web-abc"), endpoints("web", "10.0.0.1"))
    assert keeper.version == before


async def test_many_services_are_worked_out_off_the_loop() -> None:
    keeper = WantKeeper(VirtualClock())
    for number in range(300):
        keeper.put_service(service(f"web-{number}", f"10.96.{number // 250}.{number % 250}"))
    keeper.keep_services([("shop", f"web-{number}") for number in range(300)])
    keeper.keep_slices([])
    wants = await keeper.wants()
    assert wants is not None
    assert len(wants.services.frontends) == 300


def fault(service_name: str, kind: FaultKind) -> FrontendFault:
    return FrontendFault(
        clean(service_name), Address("10.96.0.1", 80, "TCP"), FrontendKind.CLUSTER_IP, kind
    )


def test_faults_of_settling_services_are_left_out_and_the_rest_stays() -> None:
    coverage = ServiceCoverage(
        wanted_frontends=10,
        held_frontends=8,
        wanted_backends=20,
        held_backends=18,
        faults=(fault("shop/new", FaultKind.MISSING), fault("shop/old", FaultKind.MISSING)),
        faults_total=2,
    )
    shown = without_settling(coverage, frozenset({"shop/new"}))
    assert [one.service for one in shown.faults] == ["shop/old"]
    assert shown.faults_total == 1
    assert shown.missing_frontends == 1
    assert without_settling(coverage, frozenset()) is coverage
    assert without_settling(coverage, frozenset({"shop/other"})) is coverage
