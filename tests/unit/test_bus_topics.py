"""Topics: no name can be more than one level, and each topic is written in one way only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.bus.wire.topics import Topic, TopicKind, escape, filter_of, parse_topic, unescape

NAMED = (TopicKind.PRESENCE, TopicKind.FACTS, TopicKind.PART, TopicKind.WARNINGS)

_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (Topic(TopicKind.PRESENCE, "prod", "c1"), "ciltop/v1/prod/collector/c1"),
        (Topic(TopicKind.FACTS, "prod", "n1.example"), "ciltop/v1/prod/node/n1.example/facts"),
        (Topic(TopicKind.CLUSTER, "prod"), "ciltop/v1/prod/cluster"),
        (Topic(TopicKind.FINDINGS, "prod"), "ciltop/v1/prod/findings"),
        (Topic(TopicKind.PART, "prod", "c1"), "ciltop/v1/prod/findings/c1"),
        (Topic(TopicKind.WARNINGS, "prod", "n1"), "ciltop/v1/prod/warnings/n1"),
        (Topic(TopicKind.AUDIT, "prod"), "ciltop/v1/prod/audit"),
        (Topic(TopicKind.ROOM, "prod"), "ciltop/v1/prod/room"),
        (Topic(TopicKind.AUDIT, "arn:aws:eks/a+b#c"), "ciltop/v1/arn:aws:eks%2Fa%2Bb%23c/audit"),
    ],
)
def test_each_kind_has_its_place(topic: Topic, text: str) -> None:
    assert str(topic) == text
    assert parse_topic(text) == topic


@given(_names)
def test_a_name_is_one_level_and_comes_back(name: str) -> None:
    level = escape(name)
    assert not set(level) & set("/+#\0 ")
    assert level.isascii()
    assert unescape(level) == name


@given(st.sampled_from(NAMED), _names, _names)
def test_a_topic_comes_back(kind: TopicKind, cluster: str, name: str) -> None:
    topic = Topic(kind, cluster, name)
    assert parse_topic(str(topic)) == topic


@given(
    st.text(max_size=60) | st.text("ciltop/v1%2Fnodefacts+#", max_size=40).map("ciltop/v1/".__add__)
)
def test_any_text_is_a_topic_in_its_one_spelling_or_none(text: str) -> None:
    try:
        topic = parse_topic(text)
    except ValueError:
        return
    assert str(topic) == text


@pytest.mark.parametrize(
    "text",
    [
        "ciltop/v1/prod",
        "ciltop/v1/prod/",
        "ciltop/v1//audit",
        "ciltop/v1/prod/node//facts",
        "ciltop/v1/prod/node/n1",
        "ciltop/v1/prod/node/n1/facts/more",
        "ciltop/v1/prod/Audit",
        "ciltop/v1/prod/collector",
        "ciltop/v2/prod/audit",
        "/ciltop/v1/prod/audit",
        "ciltop/v1/prod/collector/%41",
        "ciltop/v1/prod/collector/%2f",
        "ciltop/v1/prod/collector/%ff",
        "ciltop/v1/prod/collector/%",
        "ciltop/v1/prod/collector/+",
        "ciltop/v1/prod/collector/a b",
        "ciltop/v1/prod/collector/a\n",
        "ciltop/v1/prod/collector/é",
        "ciltop/v1/prod/collector/" + "x" * 2_000,
    ],
)
def test_what_is_no_topic_of_ours(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|another way|decode"):
        parse_topic(text)


def test_an_empty_name_has_no_level() -> None:
    with pytest.raises(ValueError, match="empty"):
        escape("")


def _matches(pattern: str, topic: str) -> bool:
    levels, told = pattern.split("/"), topic.split("/")
    return len(levels) == len(told) and all(
        want in ("+", have) for want, have in zip(levels, told, strict=True)
    )


@pytest.mark.parametrize("kind", TopicKind)
@pytest.mark.parametrize("cluster", ["a/b", None])
def test_a_filter_takes_its_kind_only(kind: TopicKind, cluster: str | None) -> None:
    pattern = filter_of(kind, cluster)
    topics = {one: str(Topic(one, "a/b", "n" if one in NAMED else "")) for one in TopicKind}
    assert [one for one, topic in topics.items() if _matches(pattern, topic)] == [kind]
    other = str(Topic(kind, "other", "n" if kind in NAMED else ""))
    assert _matches(pattern, other) is (cluster is None)
