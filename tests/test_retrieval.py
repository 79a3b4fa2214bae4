"""Retrieval finds what was said literally, whatever the list's order, and misread names often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.context.retrieval import build_index, most_similar, ranks_within, retrieve, windows
from asr_adapt.words.text import get_normaliser

NORMALISE = get_normaliser("spoken-en").function
FIRST = ["Nordic", "Amber", "Coral", "Rigel", "Polar", "Humber", "Frisian", "Merlin", "Astrid"]
SECOND = ["Star", "Grace", "Lily", "Runner", "Crown", "Cloud", "Pegasus", "Dolphin", "Harrier"]
NAMES = [f"{a} {b}" for a in FIRST for b in SECOND]
INDEX = build_index(NAMES, NORMALISE)
WORD = st.text("abcdefgh", min_size=1, max_size=8)
TEXT = st.lists(WORD, max_size=6).map(" ".join)


@given(st.sampled_from(NAMES), TEXT, TEXT)
def test_a_phrase_said_literally_comes_first(name: str, before: str, after: str) -> None:
    found = retrieve(INDEX, f"{before} {name.upper()}, {after}", 3)
    assert name in found


@given(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
def test_all_phrases_said_literally_are_found(said: list[str]) -> None:
    found = retrieve(INDEX, ", ".join(said), len(said) + 3)
    assert set(said) <= set(found)


@given(st.lists(TEXT, max_size=12), TEXT, st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_order_of_the_list_changes_nothing(
    phrases: list[str], heard: str, limit: int, random: object
) -> None:
    shuffled = list(phrases)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    once = retrieve(build_index(phrases, NORMALISE), heard, limit)
    assert once == retrieve(build_index(shuffled, NORMALISE), heard, limit)
    assert len(once) == len(set(once)) <= limit
    assert set(once) <= {" ".join(p.split()) for p in phrases}


@given(st.lists(st.text(max_size=12), max_size=6), st.text(max_size=40))
def test_any_text_can_be_searched_for_any_phrase(phrases: list[str], heard: str) -> None:
    assert len(retrieve(build_index(phrases, NORMALISE), heard, 3)) <= 3


def test_a_short_list_comes_whole_and_a_long_one_not_at_all_where_nothing_was_heard() -> None:
    few = build_index(["Rigel Crown", "Astrid Grace"], NORMALISE)
    assert set(retrieve(few, "", 2)) == {"Rigel Crown", "Astrid Grace"}
    assert retrieve(few, "", 1) == ()


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("this is rye gel crown over", "Rigel Crown"),
        ("merlindolphin on channel one six", "Merlin Dolphin"),
        ("fridge and harrier, come in", "Frisian Harrier"),
        ("asked writ grays requests a pilot", "Astrid Grace"),
    ],
)
def test_misread_names_are_among_the_first(heard: str, name: str) -> None:
    assert name in retrieve(INDEX, heard, 5)


def test_digits_and_spelled_letters_are_compared_in_one_form() -> None:
    units = build_index(["Unit 214", "Delta Five Kilo", "Runway 27L", "Unit 951"], NORMALISE)
    assert retrieve(units, "unit two fourteen responding", 1) == ("Unit 214",)
    assert retrieve(units, "this is D 5 K", 1) == ("Delta Five Kilo",)
    assert retrieve(units, "cleared to land runway two seven left", 1) == ("Runway 27L",)


def test_names_of_another_script_are_found_by_their_letters() -> None:
    ships = build_index(["Полярная Звезда", "Балтийский Ветер", "Северный Олень"], NORMALISE)
    assert retrieve(ships, "говорит полярная звезда", 1) == ("Полярная Звезда",)


def test_one_name_with_many_relatives_does_not_crowd_out_the_next() -> None:
    """Ten names fit "noble" better than the one that fits "rye gel clown", yet it is found."""
    relatives = [f"Noble {word}" for word in SECOND]
    index = build_index([*relatives, "Rigel Crown"], NORMALISE)
    assert "Rigel Crown" in retrieve(index, "noble calling rye gel clown", 3)


def test_ranks_within_count_earlier_items_of_the_same_place() -> None:
    place = np.array([1, 0, 1, 1, 0])
    order = np.array([3, 4, 0, 1, 2])
    assert ranks_within(place, order).tolist() == [1, 1, 2, 0, 0]


def test_windows_are_all_stretches_of_the_lengths_asked_for() -> None:
    starts, stretches = windows(["a", "b", "1", "b"], (1, 2))
    assert dict(zip(stretches, starts, strict=True)) == {
        "a": 0, "b": 1, "one": 2, "ab": 0, "bone": 1, "oneb": 2,
    }  # fmt: skip


def test_similar_transcripts_share_words() -> None:
    texts = [
        "Cleared to land runway two seven",
        "Say again your position",
        "Gusts of fifteen knots",
    ]
    assert most_similar(texts, "wind is fifteen knots", 1) == ("Gusts of fifteen knots",)
    assert most_similar([], "anything", 2) == ()
