"""Intervals: against a naive implementation, against known coverage, and against common sense."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from asr_adapt.records import Utterance
from asr_adapt.scoring.bootstrap import (
    Blocks,
    add_by_block,
    choose_blocks,
    interval95,
    rates,
    resample_sums,
    two_sided_p,
)


def _utterance(number: int, speaker: str | None, recording: str | None = None) -> Utterance:
    return Utterance(f"u{number}", Path("a.wav"), 0.0, 1.0, "a", "en", speaker, recording)


def test_columns_of_a_resample_come_from_the_same_draw() -> None:
    counts = np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    sums = resample_sums(counts, seed=1, resamples=500)
    assert sums.shape == (500, 2)
    assert np.array_equal(sums[:, 1], 2 * sums[:, 0])
    assert len(np.unique(sums[:, 0])) > 5


def test_chunks_do_not_show() -> None:
    """More blocks than fit one chunk of weights: still the asked number of whole draws."""
    sums = resample_sums(np.ones((1500, 1)), seed=0, resamples=4000)
    assert sums.shape == (4000, 1)
    assert np.all(sums == 1500)


def test_the_seed_decides_and_nothing_else() -> None:
    counts = np.random.default_rng(0).poisson(3.0, size=(30, 2)).astype(float)
    assert np.array_equal(resample_sums(counts, 5, 100), resample_sums(counts, 5, 100))
    assert not np.array_equal(resample_sums(counts, 5, 100), resample_sums(counts, 6, 100))


def test_intervals_agree_with_a_naive_bootstrap() -> None:
    """Independent: the standard library draws blocks one by one and sorts the rates."""
    generator = np.random.default_rng(3)
    words = generator.integers(5, 30, size=25)
    errors = generator.binomial(words, generator.beta(1, 4, size=25))
    drawer = random.Random(11)  # noqa: S311 - not for secrets
    naive = []
    for _ in range(4000):
        drawn = [drawer.randrange(25) for _ in range(25)]
        naive.append(sum(int(errors[i]) for i in drawn) / sum(int(words[i]) for i in drawn))
    naive.sort()
    sums = resample_sums(np.stack([errors, words], axis=1).astype(float), seed=0)
    low, high = interval95(rates(sums[:, 0], sums[:, 1]))
    width = high - low
    assert low == pytest.approx(naive[100], abs=0.06 * width)
    assert high == pytest.approx(naive[3900], abs=0.06 * width)


def test_intervals_cover_the_truth_where_blocks_are_the_units() -> None:
    """40 speakers, each with a rate of their own: over speakers ~95 %, over utterances far less."""
    generator = np.random.default_rng(7)
    speakers, each, words, trials = 40, 8, 10, 150
    by_speaker = by_utterance = 0
    for trial in range(trials):
        own_rate = np.repeat(generator.beta(2, 8, size=speakers), each)
        errors = generator.binomial(words, own_rate)
        counts = np.stack([errors, np.full(speakers * each, words)], axis=1).astype(float)
        blocks = Blocks("speaker", tuple(np.repeat(np.arange(speakers), each)), speakers, None)
        low, high = _interval(add_by_block(counts, blocks), trial)
        by_speaker += low <= 0.2 <= high
        low, high = _interval(counts, trial)
        by_utterance += low <= 0.2 <= high
    assert 0.88 <= by_speaker / trials <= 0.99
    assert by_utterance / trials < 0.85


def _interval(
    counts: np.ndarray[tuple[int, int], np.dtype[np.float64]], seed: int
) -> tuple[float, float]:
    sums = resample_sums(counts, seed, resamples=400)
    return interval95(rates(sums[:, 0], sums[:, 1]))


def test_a_resample_without_words_has_no_rate() -> None:
    assert rates(np.array([0.0, 1.0]), np.array([0.0, 4.0])).tolist() == [0.25]


def test_counts_are_added_within_blocks() -> None:
    blocks = Blocks("speaker", (0, 1, 0), 2, None)
    added = add_by_block(np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]), blocks)
    assert added.tolist() == [[4.0, 12.0], [2.0, 6.0]]


def test_p_values_are_two_sided_and_never_nought() -> None:
    assert two_sided_p(np.zeros(99)) == 1.0
    assert two_sided_p(np.full(99, -0.1)) == pytest.approx(2 / 100)
    mostly_better = np.array([-1.0] * 95 + [1.0] * 4)
    assert two_sided_p(mostly_better) == pytest.approx(two_sided_p(-mostly_better))
    assert two_sided_p(mostly_better) == pytest.approx(2 * 5 / 100)


def test_ten_speakers_are_the_blocks() -> None:
    blocks = choose_blocks([_utterance(i, f"s{i % 10}") for i in range(50)])
    assert (blocks.kind, blocks.n, blocks.caveat) == ("speaker", 10, None)
    assert blocks.index[:12] == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1)


def test_few_speakers_fall_back_to_recordings_and_say_so() -> None:
    blocks = choose_blocks([_utterance(i, f"s{i % 4}", f"r{i % 20}") for i in range(50)])
    assert (blocks.kind, blocks.n) == ("recording", 20)
    assert blocks.caveat is not None
    assert "only 4 speakers" in blocks.caveat


def test_unknown_speakers_are_not_taken_for_one_speaker_each() -> None:
    speakers = [*(f"s{i}" for i in range(12)), None]
    blocks = choose_blocks([_utterance(i, s, f"r{i}") for i, s in enumerate(speakers)])
    assert blocks.kind == "recording"
    assert blocks.caveat is not None
    assert "names its speaker" in blocks.caveat


def test_few_recordings_fall_back_to_utterances_and_say_so() -> None:
    blocks = choose_blocks([_utterance(i, "s", f"r{i % 3}") for i in range(50)])
    assert (blocks.kind, blocks.n) == ("utterance", 50)
    assert blocks.caveat is not None
    assert "only 1 speaker and 3 recordings" in blocks.caveat
