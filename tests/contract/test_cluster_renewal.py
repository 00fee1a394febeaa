from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.contract.cluster_server import Answer, FakeCluster, pod_list, recorded_body
from tui.cluster import kinds
from tui.cluster.access import Access, CredentialSource
from tui.cluster.session import Session
from tui.errors import CredentialError, UnauthorizedError

PODS = "/api/v1/pods"


async def names(session: Session) -> list[str]:
    listing = await session.list_pages(PODS, kinds.Pod)
    return [item.metadata.name for item in listing.items]


async def test_expired_token_is_renewed_once_and_the_request_repeated() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer new":
            return pod_list("a").response()
        return Answer(recorded_body("unauthorized-401.http"), 401).response()

    async with FakeCluster() as cluster:
        renewed = cluster.access(headers=(("Authorization", "Bearer new"),))
        async with cluster.session(renewed=renewed) as session:
            cluster.on(PODS, handler)
            assert await asyncio.gather(*[names(session) for _ in range(5)]) == [["a"]] * 5
            assert await names(session) == ["a"]


async def test_a_second_refusal_is_an_error() -> None:
    async with FakeCluster() as cluster:
        renewed = cluster.access(headers=(("Authorization", "Bearer new"),))
        async with cluster.session(renewed=renewed) as session:
            cluster.reply(PODS, Answer(recorded_body("unauthorized-401.http"), 401))
            with pytest.raises(UnauthorizedError):
                await names(session)
    assert len(cluster.asked) == 2


async def test_refused_credentials_that_do_not_change_are_not_tried_twice() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, Answer(recorded_body("unauthorized-401.http"), 401))
        with pytest.raises(UnauthorizedError):
            await names(session)
    assert len(cluster.asked) == 1


class Loads:
    """A credential loader that counts."""

    def __init__(self, *results: Access | Exception) -> None:
        self.results = list(results)
        self.count = 0

    async def __call__(self) -> Access:
        self.count += 1
        await asyncio.sleep(0)
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result


def access(token: str, expires_at: float | None = None) -> Access:
    return Access("http://x", "c", "u", "n", (("Authorization", token),), expires_at=expires_at)


async def test_credentials_are_renewed_before_they_expire() -> None:
    now = 1000.0
    load = Loads(access("second", 9000.0))
    source = CredentialSource(access("first", 2000.0), load, clock=lambda: now)
    assert (await source.current()).headers[0][1] == "first"
    now = 1950.0
    both = await asyncio.gather(source.current(), source.current())
    assert [one.headers[0][1] for one in both] == ["second", "second"]
    assert load.count == 1


async def test_a_failed_renewal_is_an_error_only_once_the_old_credential_has_expired() -> None:
    now = 1000.0
    load = Loads(CredentialError("plugin broke"))
    source = CredentialSource(access("first", 2000.0), load, clock=lambda: now)
    now = 1950.0
    assert (await source.current()).headers[0][1] == "first"
    assert load.count == 1, "it was tried"
    now = 2001.0
    with pytest.raises(CredentialError, match="plugin broke"):
        await source.current()


async def test_a_refused_exec_storm_loads_once() -> None:
    load = Loads(access("same"))
    first = access("same")
    source = CredentialSource(first, load, clock=lambda: 5.0)
    for _ in range(20):
        refused = await source.current()
        await source.renew(refused)
    assert load.count == 1
