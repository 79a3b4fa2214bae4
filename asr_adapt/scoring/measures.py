"""Scores for context and entities: one list of quotients, each with its interval and its pairs.

Floor 3. Reads `UtteranceScore` rows of all arms, writes `Measure` and `Difference`. All arms and
measures of a resample come from the same draw of blocks, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from asr_adapt.scoring.bootstrap import Blocks, add_by_block, interval95, resample_sums, two_sided_p
from asr_adapt.scoring.entities import KINDS
from asr_adapt.scoring.score_records import Difference, Measure, UtteranceScore, all_terms

CONTEXT_MEASURES = (
    "biased_wer",
    "unbiased_wer",
    "term_recall",
    "term_precision",
    "false_insertion_rate",
    "leak_rate",
)
ENTITY_MEASURES = ("entity_accuracy", *(f"entity_accuracy.{kind}" for kind in KINDS))
NAMES = (*CONTEXT_MEASURES, *ENTITY_MEASURES)

_Counts = dict[str, tuple[int, int]]


def count_measures(score: UtteranceScore) -> _Counts:
    """Return part and whole of every measure of one utterance.

    - biased_wer, unbiased_wer: word errors on listed phrases and on all else, see
      `asr_adapt.scoring.terms.split_by_context`; utterances without any listed phrase are all
      unbiased.
    - term_recall, term_precision: listed phrases heard of those said, said of those heard.
    - false_insertion_rate, leak_rate: listed phrases heard and not said, and those of them where
      nothing like them was said, per utterance with a list; words heard in silence count.
    - entity_accuracy: entities heard exactly; also by kind.
    """
    counts: _Counts = {}
    if not score.silence:
        for name, words in (
            ("biased_wer", score.context_words),
            ("unbiased_wer", score.other_words),
        ):
            counts[name] = (words.errors, words.reference_length)
    terms = all_terms(score.terms)
    counts["term_recall"] = (terms.hits, terms.hits + terms.misses)
    counts["term_precision"] = (terms.hits, terms.hits + terms.false_insertions)
    listed = int(score.phrases > 0)
    counts["false_insertion_rate"] = (terms.false_insertions, listed)
    counts["leak_rate"] = (terms.leaks, listed)
    for entity in score.entities:
        counts[f"entity_accuracy.{entity.kind}"] = (entity.right, entity.said)
    right, said = (sum(getattr(e, key) for e in score.entities) for key in ("right", "said"))
    return {**counts, "entity_accuracy": (right, said)}


def measure_arms(
    arms: Mapping[str, Sequence[UtteranceScore]], blocks: Blocks, seed: int
) -> tuple[dict[str, tuple[Measure, ...]], tuple[Difference, ...]]:
    """Measure all arms on the same utterances.

    Measures without anything to count in an arm are left out, and so are the context measures
    where no utterance has a list.

    Args:
        arms: the scored utterances of each arm, in the same order.
        blocks: which of them are resampled together.
        seed: of the resampling.

    Returns:
        Measures of each arm, in the order of `NAMES`; differences of every pair of arms.
    """
    if not any(arms.values()):
        return {arm: () for arm in arms}, ()
    told = any(score.phrases for scores in arms.values() for score in scores)
    names = NAMES if told else ENTITY_MEASURES
    cells = [(arm, name) for arm in arms for name in names]
    table = np.concatenate([_table(scores, names) for scores in arms.values()], axis=1)
    totals = dict(zip(cells, table.sum(axis=0), strict=True))
    cells = [cell for cell in cells if totals[cell][1] > 0]
    kept = [i for i, cell in enumerate(totals) if totals[cell][1] > 0]
    if not cells:
        return {arm: () for arm in arms}, ()
    draws = dict(zip(cells, _resampled(table[:, kept], blocks, seed), strict=True))
    measures = {
        arm: tuple(
            _measure(name, totals[arm, name], draws[arm, name])
            for name in names
            if (arm, name) in draws
        )
        for arm in arms
    }
    return measures, _differences(measures, draws)


def _table(scores: Sequence[UtteranceScore], names: Sequence[str]) -> NDArray[np.float64]:
    """Return counts of shape (utterances, measures, 2): part and whole."""
    counted = map(count_measures, scores)
    rows = [[counts.get(name, (0, 0)) for name in names] for counts in counted]
    return np.array(rows, dtype=np.float64)


def _resampled(table: NDArray[np.float64], blocks: Blocks, seed: int) -> list[NDArray[np.float64]]:
    """Return the resampled values of each column; nan where a draw has nothing to divide by."""
    n, columns, _ = table.shape
    sums = resample_sums(add_by_block(table.reshape(n, 2 * columns), blocks), seed)
    parts, wholes = sums[:, 0::2], sums[:, 1::2]
    values = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=values, where=wholes > 0)
    return list(values.T)


def _measure(name: str, total: NDArray[np.float64], values: NDArray[np.float64]) -> Measure:
    part, whole = (int(count) for count in total)
    return Measure(name, part, whole, interval95(values[~np.isnan(values)]))


def _differences(
    measures: Mapping[str, Sequence[Measure]],
    draws: Mapping[tuple[str, str], NDArray[np.float64]],
) -> tuple[Difference, ...]:
    found = []
    for a, b in combinations(measures, 2):
        others = {each.name: each for each in measures[b]}
        for first in measures[a]:
            second = others.get(first.name)
            if second is None or first.value is None or second.value is None:
                continue
            values = draws[b, first.name] - draws[a, first.name]
            values = values[~np.isnan(values)]
            difference = second.value - first.value
            test = two_sided_p(values)
            found.append(Difference(first.name, a, b, difference, interval95(values), test))
    return tuple(found)
