"""What to do next follows from the counts, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.records import ErrorCounts
from asr_adapt.reporting.advice import FEWEST_ERRORS, Extremes, Signs, advise


def signs(sub: int = 0, left: int = 0, added: int = 0, **more: object) -> Signs:
    counts = ErrorCounts(500, sub, left, added)
    return replace(Signs(counts, utterances=100), **more)  # type: ignore[arg-type]  # by name


def about(given_signs: Signs) -> list[str]:
    return [each.about for each in advise(given_signs)]


ON_PHRASES = ErrorCounts(10, 30, 10, 0)
LISTED = {"on_phrases": ON_PHRASES, "listed": True, "phrases_said": 50, "phrases_found": 20}


@pytest.mark.parametrize(
    ("found", "rules"),
    [
        (signs(20, 70, 10), ["deletions"]),
        (signs(40, 5, 55), ["insertions"]),
        (signs(90, 5, 5), ["other words"]),
        (signs(45, 45, 10), ["deletions"]),
        (signs(45, 5, 50), ["insertions"]),
        (signs(90, 10, 10, **LISTED), ["other words", "phrases not told"]),
        (signs(60, 40, 10, told=True, **LISTED), ["phrases told"]),
        (signs(9, 9, 9), ["few errors"]),
        (signs(0, 0, 0), ["few errors"]),
    ],
)
def test_the_mix_of_errors_decides(found: Signs, rules: list[str]) -> None:
    assert about(found) == rules


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"looping": 2}, "loops"),
        ({"leaks": 5}, "leaks"),
        ({"dropped": 1}, "dropped"),
        ({"failed": 1}, "failed"),
        ({"forgotten": 0.02}, "forgetting"),
        ({"labels": "Twice the labels would help."}, "labels"),
        ({"silence_words": 3, "silence_s": 60.0}, "silence"),
        ({"noise": Extremes("dB", "0 to 5", 0.6, "20 to 25", 0.2)}, "noise"),
    ],
)
def test_what_stands_beside_the_errors_is_told(change: dict[str, object], rule: str) -> None:
    plain = signs(30, 20, 20)
    assert rule not in about(plain)
    assert rule in about(replace(plain, **change))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    "change",
    [
        {"looping": 1},
        {"leaks": 4},
        {"silence_words": 0, "silence_s": 60.0},
        {"noise": Extremes("dB", "0 to 5", 0.25, "20 to 25", 0.2)},
        {"noise": Extremes("dB", "0 to 5", 0.01, "20 to 25", 0.0)},
    ],
)
def test_what_is_rare_or_small_is_not(change: dict[str, object]) -> None:
    plain = signs(30, 20, 20)
    assert about(replace(plain, **change)) == about(plain)  # type: ignore[arg-type]  # by name


def test_the_next_step_after_ordinary_words_depends_on_what_was_tried() -> None:
    untuned, tuned = (advise(signs(90, 5, 5, tuned=each))[0].text for each in (False, True))
    assert "Fine-tuning on labelled calls" in untuned
    assert "More labelled calls" in tuned
    assert "--bias" in tuned
    listed = advise(signs(90, 5, 5, listed=True))[0].text
    assert "--bias" not in listed


COUNTS = st.integers(0, 400)


@given(COUNTS, COUNTS, COUNTS)
def test_advice_on_the_mix_comes_by_weight_and_only_from_enough_errors(
    sub: int, left: int, added: int
) -> None:
    told = advise(signs(sub, left, added))
    weights = [each.errors for each in told]
    assert weights == sorted(weights, reverse=True)
    assert (about(signs(sub, left, added)) == ["few errors"]) == (
        sub + left + added < FEWEST_ERRORS
    )
    assert all("  " not in each.text and each.text.endswith(".") for each in told)
