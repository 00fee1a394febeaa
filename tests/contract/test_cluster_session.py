from __future__ import annotations

import ssl
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from tests.contract.cluster_server import (
    Answer,
    Asked,
    FakeCluster,
    json_answer,
    make_certificate,
    pod,
    pod_list,
    recorded_body,
    server_tls,
    silent_server,
    status_body,
)
from tui import __version__
from tui.cluster import kinds
from tui.cluster.session import Session
from tui.errors import (
    ApiError,
    ConflictError,
    ConnectError,
    DeadlineError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    ThrottledError,
    TlsError,
    UnauthorizedError,
)

PODS = "/api/v1/pods"


class Version(msgspec.Struct):
    gitVersion: str = ""  # noqa: N815 - the field's name on the wire


async def names(session: Session, **options: int) -> list[str]:
    listing = await session.list_pages(PODS, kinds.Pod, **options)  # type: ignore[arg-type]  # page_size
    return [item.metadata.name for item in listing.items]


async def test_get_says_who_asks_and_decodes() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply("/version", json_answer({"gitVersion": "v1.33.1", "unknown": [1]}))
        assert (await session.get_json("/version", Version)).gitVersion == "v1.33.1"
        assert (session.context, session.user, session.server) == ("test", "tester", cluster.url)
    asked = cluster.asked[0]
    assert asked.headers["User-Agent"] == f"ciltop/{__version__}"
    assert asked.headers["Authorization"] == "Bearer old"


async def test_connections_are_kept() -> None:
    ports: set[object] = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return pod_list("a").response()

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(PODS, handler)
        for _ in range(5):
            await names(session)
    assert len(ports) == 1


async def test_list_follows_continue_tokens() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(
            PODS,
            pod_list("a", "b", token="t=1&x"),
            pod_list("c", token="t2"),
            pod_list("d", version="103"),
        )
        listing = await session.list_pages(PODS, kinds.Pod, params={"labelSelector": "k8s-app=c"})
    assert [item.metadata.name for item in listing.items] == ["a", "b", "c", "d"]
    assert listing.resource_version == "103"
    assert [asked.query.get("continue") for asked in cluster.asked] == [None, "t=1&x", "t2"]
    assert {asked.query["limit"] for asked in cluster.asked} == {"500"}
    assert {asked.query["labelSelector"] for asked in cluster.asked} == {"k8s-app=c"}


async def test_heavy_pages_make_the_next_ones_smaller() -> None:
    heavy = {**pod("a"), "spec": {"padding": "x" * (5 << 20)}}
    page = {"kind": "PodList", "metadata": {"continue": "t"}, "items": [heavy]}
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, json_answer(page), pod_list("b", token="t"), pod_list("c"))
        assert await names(session) == ["a", "b", "c"]
    limits = [int(asked.query["limit"]) for asked in cluster.asked]
    assert limits[0] == 500
    assert 150 < limits[1] < 250
    assert limits[2] == limits[1]


async def test_list_begins_again_when_its_token_has_gone() -> None:
    gone = json_answer(status_body(410, "Expired", "continue token expired"), 410)
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(
            PODS, pod_list("a", token="t"), gone, pod_list("b", token="t"), gone, pod_list("c", "d")
        )
        assert await names(session) == ["c", "d"]
    assert "limit" not in cluster.asked[-1].query, "the last attempt is in one piece"


async def test_list_that_is_gone_for_ever_is_an_error() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, json_answer(status_body(410, "Expired", "gone"), 410))
        with pytest.raises(GoneError):
            await names(session)


async def test_null_and_missing_fields_are_tolerated() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, json_answer({"kind": "PodList", "metadata": {}, "items": None}))
        assert await names(session) == []


async def test_one_object_of_a_wrong_shape_costs_only_itself() -> None:
    bad = {"metadata": {"name": "bad", "labels": [1, 2]}}
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(
            PODS,
            json_answer(
                {
                    "kind": "PodList",
                    "metadata": {"resourceVersion": "9"},
                    "items": [bad, pod("good")],
                }
            ),
        )
        listing = await session.list_pages(PODS, kinds.Pod)
    assert [item.metadata.name for item in listing.items] == ["good"]
    assert listing.skipped == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"kind": "PodList", "items": [{"metadata"', "cut off"),
        (b"<html><head><title>Sign in</title></head></html>", "Sign in"),
        (b"", "empty answer"),
        (b'{"hello": "world"}', "no list"),
        (b"\xff\xfe\x00", "can't be read"),
    ],
)
async def test_a_success_that_is_no_list(body: bytes, says: str) -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, Answer(body))
        with pytest.raises(ApiError, match=says):
            await names(session)


async def test_an_answer_cut_by_the_network() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"kind": "PodList"')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(PODS, handler)
        with pytest.raises(ConnectError, match="broke"):
            await names(session)


@pytest.mark.parametrize(
    ("recorded", "code", "kind", "says"),
    [
        ("notfound-404.http", 404, NotFoundError, 'pods "nope" not found'),
        ("patch-conflict-409.http", 409, ConflictError, "has been modified"),
        ("unauthorized-401.http", 401, UnauthorizedError, "expired; log in again"),
    ],
)
async def test_recorded_failures(recorded: str, code: int, kind: type[ApiError], says: str) -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, Answer(recorded_body(recorded), code))
        with pytest.raises(kind, match=says) as caught:
            await names(session)
    assert caught.value.status == code


async def test_denied_names_verb_and_resource() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, Answer(recorded_body("forbidden-403.http"), 403))
        with pytest.raises(ForbiddenError) as caught:
            await names(session)
    assert (caught.value.verb, caught.value.resource) == ("list", "secrets")
    assert 'User "viewer"' in caught.value.message


async def test_denied_without_words_is_read_from_the_request() -> None:
    path = "/apis/apps/v1/namespaces/kube-system/daemonsets"
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(path, Answer(b"denied by policy", 403))
        with pytest.raises(ForbiddenError, match="denied by policy") as caught:
            await session.list_pages(path, kinds.DaemonSet)
    assert (caught.value.verb, caught.value.resource) == ("list", "daemonsets")


@pytest.mark.parametrize(
    ("code", "body", "says"),
    [
        (502, b"<html><title>502 Bad Gateway</title></html>", "502 Bad Gateway"),
        (500, b'{"kind":"Status","message":"etcdserver: timeout"}', "etcdserver: timeout"),
        (503, b"", "no explanation"),
        (414, b"", "limits the length"),
        (302, b"", "redirect is not followed"),
    ],
)
async def test_other_failures_say_what_came(code: int, body: bytes, says: str) -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, Answer(body, code, {"Location": "https://login.example"}))
        with pytest.raises(ApiError, match=says) as caught:
            await names(session)
    assert caught.value.status == code
    assert len(cluster.asked) == 1


async def test_hostile_text_in_a_failure_is_cleaned() -> None:
    said = "\x1b]0;owned\x07 \x1b[2J bad\x00"
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, json_answer(status_body(500, "x\x1b[m", said), 500))
        with pytest.raises(ApiError) as caught:
            await names(session)
    assert not any(ord(letter) < 32 for letter in caught.value.message + caught.value.reason)


async def test_throttling_is_waited_out() -> None:
    throttled = json_answer(
        status_body(429, "TooManyRequests", "slow down"), 429, {"Retry-After": "0"}
    )
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, throttled, throttled, pod_list("a"))
        assert await names(session) == ["a"]
    assert len(cluster.asked) == 3


@pytest.mark.parametrize("retry_after", ["120", formatdate(4102444800, usegmt=True)])
async def test_throttling_beyond_the_deadline_is_an_error_at_once(retry_after: str) -> None:
    answer = json_answer(
        status_body(429, "TooManyRequests", "x"), 429, {"Retry-After": retry_after}
    )
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, answer)
        with pytest.raises(ThrottledError) as caught:
            await names(session, deadline_seconds=5)
    assert caught.value.retry_after_seconds is not None
    assert caught.value.retry_after_seconds >= 120


async def test_silence_meets_the_deadline() -> None:
    async with silent_server() as port, FakeCluster() as cluster:
        silent = cluster.access(server=f"http://127.0.0.1:{port}")
        async with cluster.session(silent) as session:
            with pytest.raises(DeadlineError, match=r"GET /version: no answer within 0\.2 s"):
                await session.get_json("/version", Version, deadline_seconds=0.2)


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("http://127.0.0.1:1", "Connect call failed|refused"),
        ("http://does-not-exist.invalid:6443", "can't connect|Name or service|broke"),
        ("http://", "no server address"),
    ],
)
async def test_nobody_answers(server: str, says: str) -> None:
    async with FakeCluster() as cluster, cluster.session(cluster.access(server=server)) as session:
        with pytest.raises(ConnectError, match=says):
            await names(session)


async def test_a_certificate_of_a_stranger(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    async with FakeCluster(server_tls(certificate)) as cluster:
        strangers = cluster.access(tls=ssl.create_default_context())
        async with cluster.session(strangers) as session:
            with pytest.raises(TlsError, match="certificate-authority") as caught:
                await names(session)
    assert cluster.url in caught.value.message
    assert cluster.asked == []


async def test_plain_http_on_a_tls_address() -> None:
    async with FakeCluster() as cluster:
        wrong = cluster.access(server=cluster.url.replace("http:", "https:"))
        async with cluster.session(wrong) as session:
            with pytest.raises(ConnectError, match="speaks no TLS"):
                await names(session)


@pytest.mark.parametrize(("recorded", "is_allowed"), [("allowed", True), ("denied", False)])
async def test_review_asks_and_reads_the_answer(recorded: str, is_allowed: bool) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    bodies: list[object] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return Answer(recorded_body(f"ssar-{recorded}.http"), 201).response()

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(path, handler, "POST")
        answer = await session.review("create", "pods", subresource="exec", namespace="kube-system")
    assert answer is is_allowed
    assert bodies == [
        {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {
                "resourceAttributes": {
                    "verb": "create",
                    "resource": "pods",
                    "subresource": "exec",
                    "namespace": "kube-system",
                }
            },
            "status": None,
        }
    ]


@pytest.mark.parametrize("answer", [Answer(b"no", 403), Answer(b"{", 201), Answer(b"{}", 201)])
async def test_review_that_can_not_be_asked_is_unknown(answer: Answer) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(path, answer, method="POST")
        assert await session.review("get", "pods") is None


async def test_only_reviews_are_ever_posted() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(PODS, pod_list("a"))
        await names(session)
        await session.review("get", "pods")
    writes: list[Asked] = [asked for asked in cluster.asked if asked.method != "GET"]
    assert [asked.path.rpartition("/")[2] for asked in writes] == ["selfsubjectaccessreviews"]


async def test_impersonation_headers_are_sent_each() -> None:
    async with FakeCluster() as cluster:
        headers = (
            ("Impersonate-User", "jane"),
            ("Impersonate-Group", "a"),
            ("Impersonate-Group", "b"),
        )
        async with cluster.session(cluster.access(headers=headers)) as session:
            cluster.reply(PODS, pod_list("a"))
            await names(session)
    assert cluster.asked[0].headers.getall("Impersonate-Group") == ["a", "b"]
