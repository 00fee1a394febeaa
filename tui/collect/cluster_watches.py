"""Which resources are followed, and who keeps each of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING

from tui.cluster import kinds
from tui.cluster.config_objects import ControllerRevision
from tui.cluster.discovery import endpoint_slice_path, kubernetes_version
from tui.collect.clock import full_jitter
from tui.collect.cluster_book import (
    CONFIG_MAP,
    ClusterBook,
    ConfigMapKeeper,
    DaemonSetKeeper,
    ServiceKeeper,
    endpoints_keeper,
    slice_keeper,
    unseen,
)
from tui.collect.config_watches import NodeConfigWatch, revision_keeper
from tui.collect.population import NodeKeeper, PodKeeper, Population
from tui.collect.service_specs import ServiceObject, SliceObject
from tui.collect.wants import WantKeeper
from tui.collect.watching import Resource, follow
from tui.errors import ClusterError
from tui.model.reading import Reading

if TYPE_CHECKING:
    from tui.cluster.discovery import CiliumFound
    from tui.cluster.session import Session

LOG = logging.getLogger("tui.collect.watches")

VERSION_SECONDS = 600.0
"""An upgrade of the control plane shows within this time."""

SERVICES_TOLD_SECONDS = 2.0
"""Endpoints of a busy cluster change all the time; what is wanted is worked out this often."""


async def follow_cluster(
    session: Session,
    found: CiliumFound,
    population: Population,
    book: ClusterBook,
    wants: WantKeeper,
) -> None:
    """Follow everything that is followed, for ever."""
    shared = population.shared
    place = f"/api/v1/namespaces/{found.namespace}"
    pods_path = "/api/v1/pods" if found.other_namespaces else f"{place}/pods"
    nodes = Resource("nodes", "/api/v1/nodes", kinds.Node)
    pods = Resource("pods", pods_path, kinds.Pod, {"labelSelector": found.selector})
    services = Resource("services", "/api/v1/services", ServiceObject)
    pod_keeper = PodKeeper(population, shared.settings.container)
    work: dict[str, Coroutine[None, None, None]] = {
        "nodes": follow(session, nodes, NodeKeeper(population), shared),
        "pods": follow(session, pods, pod_keeper, shared),
        "services": follow(session, services, ServiceKeeper(wants), shared),
        "slices": _follow_slices(session, wants, population),
        "kubernetes version": _read_version(session, book, population),
        "wanted services": _tell_services(book, wants, population),
        **_config_work(session, found, population, book),
    }
    async with asyncio.TaskGroup() as group:
        for name, one in work.items():
            group.create_task(one, name=f"watch {name}")


def _config_work(
    session: Session, found: CiliumFound, population: Population, book: ClusterBook
) -> dict[str, Coroutine[None, None, None]]:
    """Return what follows the agents' configuration and rollouts, by name."""
    shared = population.shared
    apps = f"/apis/apps/v1/namespaces/{found.namespace}"
    config_maps = Resource(
        "configmaps",
        f"/api/v1/namespaces/{found.namespace}/configmaps",
        kinds.ConfigMap,
        {"fieldSelector": f"metadata.name={CONFIG_MAP}"},
    )
    daemonsets = Resource("daemonsets", f"{apps}/daemonsets", kinds.DaemonSet)
    revisions = Resource("controllerrevisions", f"{apps}/controllerrevisions", ControllerRevision)
    names = {str(one.name) for one in found.daemonsets}

    def is_ours(name: str) -> bool:
        return name in names or population.roster.has_daemonset(name)

    config_keeper = ConfigMapKeeper(book, config_maps.path)
    daemonset_keeper = DaemonSetKeeper(book, daemonsets.path, is_ours)
    revisions_keeper = revision_keeper(book, revisions.path, is_ours)
    return {
        "configmaps": follow(session, config_maps, config_keeper, shared),
        "daemonsets": follow(session, daemonsets, daemonset_keeper, shared),
        "controllerrevisions": follow(session, revisions, revisions_keeper, shared),
        "node configs": NodeConfigWatch(session, found.namespace, book, shared).run(),
    }


async def _follow_slices(session: Session, wants: WantKeeper, population: Population) -> None:
    """Follow EndpointSlices in the version there is, else Endpoints."""
    shared = population.shared
    failures = 0
    while True:
        try:
            path = await endpoint_slice_path(session)
            break
        except ClusterError as error:
            wants.troubles["slices"] = (error.message, False)
            failures += 1
            await shared.clock.sleep(0.5 + full_jitter(shared.clock, failures, 1.0, 30.0))
    wants.troubles.pop("slices", None)
    if path is None:
        endpoints = Resource("endpoints", "/api/v1/endpoints", kinds.Endpoints)
        await follow(session, endpoints, endpoints_keeper(wants), shared)
    else:
        slices = Resource("endpointslices", path, SliceObject)
        await follow(session, slices, slice_keeper(wants), shared)


async def _read_version(session: Session, book: ClusterBook, population: Population) -> None:
    clock = population.shared.clock
    while True:
        try:
            version = await kubernetes_version(session)
            reading = Reading.known(version, book.origin("/version"))
        except ClusterError as error:
            reading = unseen(error.message, book.facts.kubernetes_version, is_denied=False)
        book.change(replace(book.facts, kubernetes_version=reading))
        await clock.sleep(VERSION_SECONDS if reading.is_known else 30.0)


async def _tell_services(book: ClusterBook, wants: WantKeeper, population: Population) -> None:
    """Tell what the Services want, a moment after they changed."""
    clock = population.shared.clock
    told = -1
    while True:
        if wants.version != told and wants.is_complete:
            told = wants.version
            found = await wants.wants()
            if found is not None:
                reading = Reading.known(found.services.services, book.origin("/api/v1/services"))
                book.change(replace(book.facts, services=reading))
        for reason, is_denied in wants.troubles.values():
            before = book.facts.services
            reading = unseen(reason, before, is_denied=is_denied)
            if reading != before:
                book.change(replace(book.facts, services=reading))
                told = -1
            break
        await clock.sleep(SERVICES_TOLD_SECONDS)
