"""Who owns which node: the same answer everywhere, evenly, with no more moves than needed."""

from __future__ import annotations

import random
from collections import Counter
from hashlib import blake2b

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.bus.sharing import rendezvous
from tui.bus.sharing.rendezvous import Shares, owner, weight

IDS = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=16, unique=True)
NODES = [f"node-{number:05}.example" for number in range(5_000)]


def collectors(count: int) -> list[str]:
    return [f"collector-{number}" for number in range(count)]


def test_a_weight_is_64_bits_of_blake2b_of_both_names() -> None:
    digest = blake2b(b"c1\0node-1", digest_size=8).digest()
    assert weight("c1", "node-1") == int.from_bytes(digest, "big")
    assert weight("c1", "1node") != weight("c11", "node")


def test_nobody_owns_where_nobody_is() -> None:
    assert owner("node-1", ()) is None
    assert Shares().owner("node-1", ()) is None


@given(st.text(max_size=40), IDS, st.randoms())
def test_the_answer_does_not_hang_on_the_order(name: str, ids: list[str], chance: object) -> None:
    assert isinstance(chance, random.Random)
    other = list(ids)
    chance.shuffle(other)
    first = owner(name, ids)
    assert first in ids
    assert owner(name, other) == first
    shares = Shares()
    assert shares.owner(name, frozenset(ids)) == first
    assert shares.owner(name, other) == first


@given(st.text(max_size=40), IDS, st.text(min_size=1, max_size=20))
def test_who_joins_takes_for_itself_only(name: str, ids: list[str], newcomer: str) -> None:
    before = owner(name, ids)
    after = owner(name, {*ids, newcomer})
    assert after in (before, newcomer)


@given(st.text(max_size=40), IDS, st.data())
def test_only_the_nodes_of_who_leaves_move(name: str, ids: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(ids))
    before = owner(name, ids)
    if before != gone:
        assert owner(name, [one for one in ids if one != gone]) == before


@pytest.mark.parametrize("count", [2, 3, 4, 8, 16])
def test_the_shares_are_even_within_a_few_percent_of_the_nodes(count: int) -> None:
    ids = collectors(count)
    shares = Shares()
    held = Counter(shares.owner(name, ids) for name in NODES)
    mean = len(NODES) / count
    # Four standard deviations of a fair draw: 4 % of the mean at 2, 12 % at 8 collectors of 5,000.
    spread = 4 * (mean * (1 - 1 / count)) ** 0.5
    assert set(held) == set(ids)
    assert all(abs(number - mean) < spread for number in held.values())


def test_a_weight_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[tuple[str, str]] = []

    def counted(collector: str, name: str) -> int:
        hashed.append((collector, name))
        return weight(collector, name)

    monkeypatch.setattr(rendezvous, "weight", counted)
    shares = Shares()
    names = NODES[:100]
    four = collectors(4)
    for name in names:
        shares.owner(name, four)
    assert len(hashed) == 400
    for name in names:
        shares.owner(name, four[:3])
        shares.owner(name, four)
    assert len(hashed) == 400
    for name in names:
        shares.owner(name, [*four, "newcomer"])
    assert len(hashed) == 500
    shares.keep(four)
    for name in names:
        shares.owner(name, four)
    assert len(hashed) == 500


def test_names_that_come_later_are_right_in_columns_that_exist() -> None:
    shares = Shares()
    ids = collectors(3)
    for number, name in enumerate(NODES[:300]):
        some = ids[: 1 + number % 3]
        assert shares.owner(name, some) == owner(name, some)
    for name in NODES[:300]:
        assert shares.owner(name, ids) == owner(name, ids)


@settings(max_examples=20)
@given(st.lists(st.integers(min_value=0, max_value=40), max_size=200))
def test_the_book_of_names_is_bounded_and_stays_right(numbers: list[int]) -> None:
    shares, ids = Shares(), collectors(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendezvous, "MOST_NAMES", 10)
        for number in numbers:
            name = NODES[number]
            assert shares.owner(name, ids) == owner(name, ids)
