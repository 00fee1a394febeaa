from __future__ import annotations

import pytest

from tui.cilium.releases import (
    Release,
    agent_binary,
    backend_map_suffix,
    parse_release,
    release_of_image,
    tells_protocols_apart,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.11.7", Release(1, 11, 7)),
        ("v1.17.5", Release(1, 17, 5)),
        ("1.20.0-dev", Release(1, 20, 0, "dev")),
        ("1.15.0-pre.3", Release(1, 15, 0, "pre.3")),
        ("v1.15.0-rc.1", Release(1, 15, 0, "rc.1")),
        ("1.14.0-snapshot.4", Release(1, 14, 0, "snapshot.4")),
        ("1.11.7 (v1.11.7-506fcf6)", Release(1, 11, 7)),
        ("1.19.4 (v1.19.4-827cf5537d)    Kvstore service is not ready", Release(1, 19, 4)),
        ("1.14.5-cee.1", Release(1, 14, 5)),
        ("1.18", Release(1, 18, 0)),
        ("1.11.90", Release(1, 12, 0, "dev")),
        ("1.17.5-69aab28cf1", Release(1, 17, 5)),
    ],
)
def test_reads_release_texts(text: str, expected: Release) -> None:
    found = parse_release(text)
    assert found == expected
    assert found is not None
    assert found.pre == expected.pre


@pytest.mark.parametrize("text", ["", "latest", "main-ci", "sha256:0123", "\x1b[2J", "1"])
def test_finds_no_release_where_there_is_none(text: str) -> None:
    assert parse_release(text) is None


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("quay.io/cilium/cilium:v1.17.5@sha256:baf8541723ee0b72d6c489c741c81a6fdc5", "1.17.5"),
        ("registry:5000/cilium/cilium:v1.11.7", "1.11.7"),
        ("docker.io/cilium/cilium-ci:1.20.0-dev", "1.20.0-dev"),
        ("registry:5000/cilium/cilium", None),
        ("quay.io/cilium/cilium@sha256:1.17.5", None),
        ("quay.io/cilium/cilium-ci:latest", None),
        ("", None),
    ],
)
def test_reads_image_tags(image: str, expected: str | None) -> None:
    found = release_of_image(image)
    assert (None if found is None else str(found)) == expected


def test_orders_pre_releases_before_their_release() -> None:
    texts = ["1.19.4", "1.20.0-dev", "1.20.0-pre.2", "1.20.0-pre.10", "1.20.0-rc.1", "1.20.0"]
    releases = [parse_release(text) for text in texts]
    found = [release for release in releases if release is not None]
    assert sorted(reversed(found)) == found
    assert Release(1, 9) < Release(1, 10)
    assert len({Release(1, 9), Release(1, 9, 0)}) == 1
    assert Release(1, 9) != "1.9.0"


def test_gates_follow_the_release() -> None:
    assert agent_binary(Release(1, 14, 16)) == "cilium"
    assert agent_binary(Release(1, 15, 0, "pre.3")) == "cilium-dbg"
    assert backend_map_suffix(Release(1, 12, 19)) == "_v2"
    assert backend_map_suffix(Release(1, 13)) == "_v3"
    assert not tells_protocols_apart(Release(1, 16, 15))
    assert tells_protocols_apart(Release(1, 20, 0, "dev"))
    assert Release(1, 18, 0, "pre.1").at_least(1, 18)
