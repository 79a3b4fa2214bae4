"""The strength of an adapter: the weakest one that is behind the best by chance only."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.records import Utterance
from asr_adapt.training.strength import (
    MeasuredStrength,
    WordErrors,
    best_strength,
    strength_rows,
    within_chance,
)

STRENGTHS = (1.0, 0.8, 0.6, 0.4)


def said(count: int, per_speaker: int = 0) -> list[Utterance]:
    """Return utterances of one recording each, of speakers that are known if they say several."""
    return [
        Utterance(f"u{i}", Path(f"u{i}.wav"), 0.0, 1.0, "a b", speaker=speaker(i, per_speaker))
        for i in range(count)
    ]


def speaker(number: int, per_speaker: int) -> str | None:
    return str(number // per_speaker) if per_speaker else None


def heard(errors: list[int], words: int = 10) -> WordErrors:
    return WordErrors(tuple(errors), (words,) * len(errors))


def rows_of(
    *errors: list[int], general: tuple[list[int], ...] = (), per_speaker: int = 0, seed: int = 1
) -> list[dict[str, float]]:
    """Compare strengths by the errors of each utterance, of ten words each."""
    sets = [general[i] if general else None for i in range(len(errors))]
    measured = [
        MeasuredStrength(strength, heard(own), heard(other) if other else None)
        for strength, own, other in zip(STRENGTHS, errors, sets, strict=False)
    ]
    sets_of = [said(len(errors[0]), per_speaker)]
    sets_of += [said(len(general[0]))] if general else []
    return strength_rows(measured, sets_of, seed)


def standard_error(better: list[int], worse: list[int]) -> float:
    """Return that of the mean difference in error rate; utterances of ten words, drawn freely."""
    apart = [(b - a) / 10 for a, b in zip(better, worse, strict=True)]
    return statistics.pstdev(apart) / math.sqrt(len(apart))


def test_the_standard_error_is_that_of_the_mean_difference() -> None:
    """With equally long utterances the bootstrap has a closed form (Efron & Tibshirani 1993)."""
    better, worse = [0, 1, 0, 2, 0, 0, 3, 0, 1, 0] * 6, [1, 1, 0, 2, 4, 0, 2, 0, 1, 1] * 6
    full, part = rows_of(better, worse)
    assert (full["behind"], full["behind_se"]) == (0, 0)
    assert part["behind"] == pytest.approx((sum(worse) - sum(better)) / 600)
    assert part["behind_se"] == pytest.approx(standard_error(better, worse), rel=0.03)


def test_what_chance_alone_sets_apart_is_as_good_as_the_best() -> None:
    """Better here and worse there is chance, the same gain in each utterance is not."""
    mixed, always, none = [4, 4, 6, 5, 5, 5], [4] * 6, [5] * 6
    assert within_chance([heard(mixed), heard(none)], said(6), 1) == [True, True]
    assert within_chance([heard(none), heard(mixed)], said(6), 1) == [True, True]
    assert within_chance([heard(always), heard(none)], said(6), 1) == [True, False]
    assert within_chance([heard(none), heard(none)], said(6), 1) == [True, True]


def test_general_speech_adds_its_own_chance() -> None:
    """Domain and general speech are drawn independently of each other: variances add."""
    better, worse = [0, 1, 0, 2, 0, 0, 3, 0, 1, 0] * 4, [1, 1, 0, 2, 4, 0, 2, 0, 1, 1] * 4
    kept, lost = [0, 1] * 15, [2, 0] * 15
    full, part = rows_of(better, worse, general=(kept, lost))
    assert part["general_wer"] == pytest.approx(0.1)
    assert part["behind"] == pytest.approx((sum(worse) - sum(better)) / 400 + 0.05)
    expected = math.hypot(standard_error(better, worse), standard_error(kept, lost))
    assert part["behind_se"] == pytest.approx(expected, rel=0.03)
    assert full["general_wer"] == pytest.approx(0.05)


def test_general_speech_as_received_weighs_as_much_as_either() -> None:
    same, clean, lost = heard([1, 1]), heard([0, 0]), heard([2, 4])
    measured = [
        MeasuredStrength(strength, same, clean, received)
        for strength, received in ((1.0, lost), (0.5, clean))
    ]
    full, part = strength_rows(measured, [said(2)] * 3, 1)
    assert (full["received_wer"], part["received_wer"]) == (0.3, 0.0)
    assert full["behind"] == pytest.approx(0.3)
    assert best_strength([full, part]) == 0.5


def test_utterances_that_err_together_are_drawn_together() -> None:
    better, worse = [1] * 60, [0] * 30 + [4] * 30
    free, bound = (rows_of(better, worse, per_speaker=each)[1] for each in (0, 5))
    assert bound["behind"] == free["behind"]
    assert bound["behind_se"] == pytest.approx(free["behind_se"] * math.sqrt(5), rel=0.05)


def test_what_all_strengths_find_hard_is_no_chance() -> None:
    """The same draws for both: only what differs between them counts."""
    hard = [0, 9] * 20
    part = rows_of(hard, [errors + 1 for errors in hard])[1]
    assert part["behind"] == pytest.approx(0.1)
    assert part["behind_se"] == 0


def test_a_clip_without_words_is_borne() -> None:
    measured = [
        MeasuredStrength(s, WordErrors((0, e, 0), (0, 4, 0))) for s, e in ((1.0, 1), (0.5, 2))
    ]
    full, part = strength_rows(measured, [said(3)], 1)
    assert (full["wer"], part["wer"]) == (0.25, 0.5)
    assert (part["behind"], part["behind_se"]) == (0.25, 0)


@pytest.mark.parametrize(
    ("behind", "chosen"),
    [
        ((0.0, 0.01, 0.02, 0.0201), 0.6),
        ((0.0, 0.03, 0.03, 0.03), 1.0),
        ((0.01, 0.0, 0.05, 0.02), 0.4),
        ((0.0, 0.0, 0.05, 0.05), 0.8),
    ],
    ids=["just", "none", "a stronger one lies between", "equals"],
)
def test_the_weakest_within_one_standard_error_is_taken(
    behind: tuple[float, ...], chosen: float
) -> None:
    rows = [
        {"strength": s, "wer": 0.3, "behind": b, "behind_se": 0.02 if b else 0.0}
        for s, b in zip(STRENGTHS, behind, strict=True)
    ]
    assert best_strength(rows) == chosen
    assert best_strength(rows[::-1]) == chosen


def test_what_is_made_up_in_silence_decides_between_equals() -> None:
    """On speech the two are alike by chance; one writes ten words in each silent clip of twelve."""
    mixed = ([4, 6] * 30, [6, 4] * 30)
    silent, loud = heard([0] * 12), heard([10] * 12)

    def chosen(*silence: WordErrors) -> float:
        measured = [
            MeasuredStrength(strength, heard(errors), silence=made_up)
            for strength, errors, made_up in zip((0.6, 0.4), mixed, silence, strict=True)
        ]
        rows = strength_rows(measured, [said(60), said(12)], 1)
        assert [row["silence_wer"] for row in rows] == [each.wer for each in silence]
        return best_strength(rows)

    assert chosen(silent, loud) == 0.6
    assert chosen(silent, silent) == chosen(loud, loud) == chosen(loud, silent) == 0.4


def test_of_equally_good_ones_the_weakest_is_taken() -> None:
    assert best_strength(rows_of([3, 3], [4, 4], [3, 3], [5, 5])) == 0.6


def test_a_point_of_general_speech_is_worth_one_of_the_domain() -> None:
    """Every utterance agrees, so nothing is chance: the least sum wins."""
    domain = ([20] * 9, [21] * 9, [25] * 9)
    assert best_strength(rows_of(*domain, general=([10] * 9, [5] * 9, [4] * 9))) == 0.8
    assert best_strength(rows_of(*domain)) == 1.0


ERRORS = st.lists(st.lists(st.integers(0, 10), min_size=4, max_size=4), min_size=1, max_size=12)


@given(errors=ERRORS, seed=st.integers(0, 9))
def test_what_is_taken_is_never_stronger_than_the_best(errors: list[list[int]], seed: int) -> None:
    columns = [list(column) for column in zip(*errors, strict=True)]
    rows = rows_of(*columns, seed=seed)
    assert rows == rows_of(*columns, seed=seed)
    least = min(row["wer"] for row in rows)
    taken = next(row for row in rows if row["strength"] == best_strength(rows))
    assert taken["wer"] - least <= taken["behind_se"] + 1e-6
    assert taken["strength"] <= min(row["strength"] for row in rows if row["wer"] == least)
