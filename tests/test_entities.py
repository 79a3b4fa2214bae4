"""Entities are found in the reference by rule, never overlap, and are right or wrong as wholes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.scoring.alignment import align_words
from asr_adapt.scoring.entities import KINDS, count_entities, find_entities
from asr_adapt.scoring.terms import find_phrases, make_book, normalise_phrases
from asr_adapt.words.text import get_normaliser

_SPOKEN = get_normaliser("spoken-en")


def _found(reference: str, *context: str) -> list[tuple[str, str]]:
    words = _SPOKEN(reference).split()
    book = make_book(normalise_phrases(context, _SPOKEN))
    found = find_entities(reference, words, _SPOKEN, find_phrases(words, book))
    return [(each.kind, " ".join(words[each.start : each.end])) for each in found]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Radio, this is Delta-Five-Kilo, over.", [("call sign", "d 5 k")]),
        ("Mayday Noble Lily, PA3XYZ, fire.", [("call sign", "pa 3 xyz")]),
        ("November one two three alpha bravo", [("call sign", "n 1 2 3 ab")]),
        ("Delta, Five, Kilo, go ahead", [("call sign", "d 5 k")]),
        ("channel 16, Delta Five Kilo", [("number", "1 6"), ("call sign", "d 5 k")]),
        ("Delta Alpha Bravo Charlie, 16", [("call sign", "dabc"), ("number", "1 6")]),
        ("Speedbird forty-two alpha", [("call sign", "4 2 a")]),
        ("climb FL120", [("number", "1 2 0")]),
        ("taxi via Alpha", []),
        ("the hotel is on one side", []),
        ("go to channel one", [("number", "1")]),
        ("1 person on board", [("number", "1")]),
        ("lower it by one metre", [("number", "1")]),
        ("contact tower on 118.1", [("frequency", "1 1 8 decimal 1")]),
        ("my length is 120.5 metres", [("number", "1 2 0 decimal 5")]),
        ("turn left heading 270", [("heading", "2 7 0")]),
        ("alter your course to zero four five degrees", [("heading", "0 4 5")]),
        ("12 degrees outside", [("number", "1 2")]),
        ("gusts of one five knots", [("number", "1 5")]),
        (
            "in 54 degrees 12.5 minutes north, 8 degrees 4 minutes east",
            [("position", "5 4 degrees 1 2 decimal 5 minutes north 8 degrees 4 minutes east")],
        ),
        ("latitude five one degrees north", [("position", "5 1 degrees north")]),
        ("the 25th of June", []),
    ],
)
def test_what_is_an_entity(reference: str, expected: list[tuple[str, str]]) -> None:
    assert _found(reference) == expected


def test_a_listed_call_sign_is_one_unit_with_its_designator() -> None:
    said = "Speedbird four two descend to three thousand"
    expected = [("call sign", "speedbird 4 2"), ("number", "3 0 0 0")]
    assert _found(said, "Speedbird 42", "Tower") == expected
    assert _found("runway 27 left", "Runway 27 left") == [("number", "2 7")]


def test_digits_beside_a_listed_call_sign_are_a_number() -> None:
    found = _found("Speedbird 4 2 2 7 0 knots", "Speedbird 42")
    assert found == [("call sign", "speedbird 4 2"), ("number", "2 7 0")]


@pytest.mark.parametrize(
    ("heard", "right"),
    [
        ("channel one six over", True),
        ("channel sixteen over", True),
        ("shall one six out", True),
        ("channel six over", False),
        ("channel one six six over", False),
        ("channel one six six", False),
        ("channel two one six over", False),
        ("channel one uh yes six over", False),
        ("", False),
    ],
)
def test_a_number_is_right_as_a_whole_only(heard: str, right: bool) -> None:
    said = "channel one six over"
    columns = align_words(_SPOKEN(said), _SPOKEN(heard))
    (counts,) = count_entities(columns, find_entities(said, _SPOKEN(said).split(), _SPOKEN))
    assert (counts.kind, counts.right, counts.said) == ("number", int(right), 1)


def test_an_error_is_charged_to_the_entity_it_falls_on() -> None:
    said = "Speedbird 4 2 turn heading 270"
    heard = "Speedbird 4 2 turn heading 280"
    columns = align_words(_SPOKEN(said), _SPOKEN(heard))
    counts = count_entities(columns, find_entities(said, _SPOKEN(said).split(), _SPOKEN))
    assert {each.kind: (each.right, each.said) for each in counts} == {
        "heading": (0, 1),
        "number": (1, 1),
    }


_words = st.lists(
    st.sampled_from(
        [
            "delta",
            "five",
            "kilo",
            "PA3XYZ",
            "118.1",
            "heading",
            "270",
            "degrees",
            "north",
            "12",
            "minutes",
            ",",
            ".",
            "and",
            "channel",
            "one",
            "tower",
            "4",
            "decimal",
            "FL120",
            "east",
        ]
    ),
    max_size=12,
).map(" ".join)


@given(_words)
def test_entities_hold_all_digits_once_and_what_is_heard_as_said_is_right(said: str) -> None:
    words = _SPOKEN(said).split()
    entities = find_entities(said, words, _SPOKEN)
    places = [i for each in entities for i in range(each.start, each.end)]
    assert len(places) == len(set(places))
    digits = {i for i, word in enumerate(words) if word in set("0123456789")}
    missing = [words[i] for i in digits - set(places)]
    assert set(missing) <= {"1"}  # a lone "one"
    counts = count_entities(align_words(" ".join(words), " ".join(words)), entities)
    assert sum(each.said for each in counts) == sum(each.right for each in counts) == len(entities)


@given(_words, _words)
def test_counts_per_kind_add_up_whatever_is_heard(said: str, heard: str) -> None:
    words = _SPOKEN(said).split()
    entities = find_entities(said, words, _SPOKEN)
    counts = count_entities(align_words(" ".join(words), _SPOKEN(heard)), entities)
    assert sum(each.said for each in counts) == len(entities)
    assert all(0 <= each.right <= each.said and each.kind in KINDS for each in counts)
