"""Several decodings vote: the text in the middle wins, and agreement is a share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.records import Hypothesis
from asr_adapt.unlabelled.agreement import distance_table, vote, word_distance
from asr_adapt.words.text import get_normaliser

RAW = get_normaliser("raw").function
TEXTS = st.lists(st.sampled_from("a b c d".split()), max_size=6).map(" ".join)  # noqa: SIM905


def rows(*texts: str, logprob: float = -0.5, flags: tuple[str, ...] = ()) -> list[Hypothesis]:
    return [
        Hypothesis("u", f"base@{i}", text, avg_logprob=logprob, flags=flags)
        for i, text in enumerate(texts)
    ]


def edits(one: list[str], other: list[str]) -> int:
    """Levenshtein distance by its definition."""
    if not one or not other:
        return len(one) + len(other)
    if one[0] == other[0]:
        return edits(one[1:], other[1:])
    return 1 + min(edits(one[1:], other), edits(one, other[1:]), edits(one[1:], other[1:]))


@given(TEXTS, TEXTS)
def test_word_distance_is_levenshtein_over_the_longer_text(one: str, other: str) -> None:
    a, b = one.split(), other.split()
    expected = edits(a, b) / max(len(a), len(b)) if a or b else 0.0
    assert word_distance(one, other) == pytest.approx(expected)
    assert distance_table([one, other])[0][1] == distance_table([other, one])[0][1]


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_no_decoding_is_nearer_to_all_others_than_the_chosen_one(texts: list[str]) -> None:
    won = vote(rows(*texts), RAW)
    sums = {text: sum(word_distance(text, other) for other in texts) for text in texts}
    assert sums[won.text] == pytest.approx(min(sums.values()))
    assert 0 <= won.agreement <= 1
    assert 0 <= won.confidence <= 1
    assert sum(n for _, n in won.heard) == len(texts)


@given(st.lists(TEXTS, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_decodings_does_not_change_the_agreement(texts: list[str], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(texts, len(texts))
    assert vote(rows(*texts), RAW).agreement == pytest.approx(vote(rows(*shuffled), RAW).agreement)


def test_one_mind_is_full_agreement_and_strangers_are_none() -> None:
    assert vote(rows("ship ahoy", "ship ahoy"), RAW).agreement == 1
    assert vote(rows("ship ahoy", "tug mast"), RAW).agreement == 0


def test_agreement_is_measured_on_normalised_text_and_the_written_one_is_kept() -> None:
    won = vote(rows("Channel 1 6.", "channel one six"), get_normaliser("spoken-en").function)
    assert won.agreement == 1
    assert won.text == "Channel 1 6."
    assert won.heard == (("Channel 1 6.", 2),)


def test_of_equals_the_likelier_wins() -> None:
    pair = [*rows("ship", logprob=-1.0), *rows("tug", logprob=-0.1)]
    assert vote(pair, RAW).text == "tug"


def test_a_flagged_text_is_chosen_only_where_all_are_flagged() -> None:
    loops = rows("go go go", "go go go", flags=("loop",))
    assert vote([*loops, *rows("ship")], RAW).text == "ship"
    assert vote(loops, RAW).flags == ("loop",)


def test_an_error_fails_the_utterance() -> None:
    failed = vote([*rows("ship"), Hypothesis("u", "x", "", error="torn")], RAW)
    assert failed.error == "torn"
    assert failed.confidence == 0


def test_nothing_decoded_is_no_probability() -> None:
    assert vote([Hypothesis("u", "x", "")], RAW).probability == 0
