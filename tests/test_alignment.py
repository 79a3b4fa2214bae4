"""Error counts: against jiwer's rates, a slow Levenshtein distance, and the laws counts obey."""

from __future__ import annotations

import jiwer
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.records import ErrorCounts
from asr_adapt.scoring.alignment import align_words, score_characters, score_words

_texts = st.lists(st.sampled_from(["one", "two", "three", "a", "ship"]), max_size=9).map(" ".join)
_spoken_texts = _texts.filter(bool)


def _slow_distance(a: list[str], b: list[str]) -> int:
    """Levenshtein 1966, row by row, written here."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row = row, [i]
        for j, y in enumerate(b, start=1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


@given(_texts, _texts)
def test_errors_are_the_edit_distance(reference: str, hypothesis: str) -> None:
    words = score_words(reference, hypothesis)
    assert words.errors == _slow_distance(reference.split(), hypothesis.split())
    characters = score_characters(reference, hypothesis)
    assert characters.errors == _slow_distance(list(reference), list(hypothesis))


@given(_spoken_texts, _texts)
def test_rates_are_those_of_jiwer(reference: str, hypothesis: str) -> None:
    assert score_words(reference, hypothesis).rate == jiwer.wer(reference, hypothesis)
    assert score_characters(reference, hypothesis).rate == jiwer.cer(reference, hypothesis)


@given(_texts, _texts)
def test_counts_add_up_to_both_lengths(reference: str, hypothesis: str) -> None:
    counts = score_words(reference, hypothesis)
    assert counts.reference_length == len(reference.split())
    assert counts.hits + counts.substitutions + counts.insertions == len(hypothesis.split())


@given(_texts)
def test_a_text_has_no_errors_against_itself(text: str) -> None:
    assert score_words(text, text) == ErrorCounts(hits=len(text.split()))
    assert score_characters(text, text).errors == 0


_counts = st.builds(ErrorCounts, *[st.integers(0, 50)] * 4)


@given(_counts, _counts, _counts)
def test_counts_add_in_any_order(a: ErrorCounts, b: ErrorCounts, c: ErrorCounts) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + ErrorCounts() == a


@given(_texts, _texts)
def test_an_alignment_reads_back_as_both_texts(reference: str, hypothesis: str) -> None:
    columns = align_words(reference, hypothesis)
    assert " ".join(c.reference for c in columns if c.kind != "ins") == reference
    assert " ".join(c.hypothesis for c in columns if c.kind != "del") == hypothesis
    for column in columns:
        assert (column.kind == "hit") == (column.reference == column.hypothesis)
        assert (column.kind == "ins") == (column.reference == "")
        assert (column.kind == "del") == (column.hypothesis == "")
