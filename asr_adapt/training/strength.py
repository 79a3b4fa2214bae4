"""What dev says of candidates: which are as good as the best, and how strongly one is applied.

A measured strength has the word errors of each dev utterance, and of each of general speech where
there is some. They become the rows of the adapter card, from which the report draws its curve. The
one-standard-error rule takes one: dev sets are small, and an adapter carries over to other speech
the better the weaker it is, so a stronger one has to be better by more than chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr_adapt.records import Utterance
from asr_adapt.scoring.bootstrap import add_by_block, choose_blocks, resample_sums

DIGITS = 6
"""To which the rows say how far a strength is behind: the rule and its readers see one number."""


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of a set of utterances.

    Attributes:
        errors: of each utterance, in the order of the set.
        words: its reference words, in all arms together; 0 where nothing could be decoded. Where
            nobody speaks, those that speech of that length has.
    """

    errors: tuple[int, ...]
    words: tuple[float, ...]

    @property
    def wer(self) -> float:
        """All errors for each reference word, a fraction."""
        return sum(self.errors) / sum(self.words)


@dataclass(frozen=True, slots=True)
class MeasuredStrength:
    """What an adapter does at a part of its strength.

    Attributes:
        strength: factor on the learned change, above 0 to 1.
        domain: errors on the domain's dev speech.
        general: differences from the base model's text of general speech; None without such speech.
        received: the same of general speech over training's channel; None without a channel.
        silence: words made up where nobody speaks; None without such clips. What an adapter learns
            of silence goes first when it is weakened.
    """

    strength: float
    domain: WordErrors
    general: WordErrors | None = None
    received: WordErrors | None = None
    silence: WordErrors | None = None

    @property
    def parts(self) -> dict[str, WordErrors]:
        """What adds up to the error that is weighed, by key of its rate: points are alike."""
        every = {
            "wer": self.domain,
            "general_wer": self.general,
            "received_wer": self.received,
            "silence_wer": self.silence,
        }
        return {key: part for key, part in every.items() if part}

    @property
    def total_wer(self) -> float:
        """The word error rates of all parts added."""
        return sum(part.wer for part in self.parts.values())


def within_chance(
    measured: Sequence[WordErrors], utterances: Sequence[Utterance], seed: int
) -> list[bool]:
    """Say which error rates are above the least by no more than one standard error of that.

    Args:
        measured: of each candidate, on the same utterances.
        utterances: the set.
        seed: of the resampling.
    """
    rates = [each.wer for each in measured]
    least = rates.index(min(rates))
    errors = _errors_apart(_drawn_rates(measured, utterances, seed), least)
    behind = np.array(rates) - rates[least]
    return [bool(each) for each in behind.round(DIGITS) <= errors.round(DIGITS)]


def strength_rows(
    measured: Sequence[MeasuredStrength],
    sets: Sequence[Sequence[Utterance]],
    seed: int,
) -> list[dict[str, float]]:
    """Compare measured strengths with the one whose word error rates add up to the least.

    Args:
        measured: at least one, all with the same parts.
        sets: the utterances of each part.
        seed: of the resampling.

    Returns:
        For each ``strength``, ``wer``, ``general_wer``, ``received_wer`` and ``silence_wer`` as far
        as they were measured, all fractions; ``behind``, how far their sum is above the least; and
        ``behind_se``, the standard error of that.
    """
    best = min(measured, key=lambda each: (each.total_wer, each.strength))
    apart = _errors_apart(_drawn_totals(measured, sets, seed), measured.index(best))
    return [
        {
            "strength": each.strength,
            **{key: part.wer for key, part in each.parts.items()},
            "behind": round(each.total_wer - best.total_wer, DIGITS),
            "behind_se": round(float(error), DIGITS),
        }
        for each, error in zip(measured, apart, strict=True)
    ]


def best_strength(rows: Sequence[Mapping[str, float]]) -> float:
    """Return the weakest strength that is behind the best by no more than one standard error.

    Breiman, Friedman, Olshen & Stone 1984, section 3.4.3; Hastie, Tibshirani & Friedman 2009,
    section 7.10. Theirs is the standard error of the best one's error; here it is that of the
    difference between the two, which were measured on the same utterances.

    Args:
        rows: what `strength_rows` returned.
    """
    return min(row["strength"] for row in rows if row["behind"] <= row["behind_se"])


def _errors_apart(draws: NDArray[np.float64], best: int) -> NDArray[np.float64]:
    """Return the standard error of each candidate's difference from the best, by paired draws."""
    apart: NDArray[np.float64] = np.nanstd(draws - draws[:, [best]], axis=0)
    return apart


def _drawn_totals(
    measured: Sequence[MeasuredStrength], sets: Sequence[Sequence[Utterance]], seed: int
) -> NDArray[np.float64]:
    """Resample the added error rates; shape (resamples, strengths), the same draws for all.

    Each set is drawn independently of the others.
    """
    columns = zip(*(each.parts.values() for each in measured), strict=True)
    seeds = np.random.SeedSequence(seed).generate_state(len(sets))
    drawn = [
        _drawn_rates(part, rows, int(own))
        for part, rows, own in zip(columns, sets, seeds, strict=True)
    ]
    total: NDArray[np.float64] = np.sum(drawn, axis=0)
    return total


def _drawn_rates(
    part: Sequence[WordErrors], utterances: Sequence[Utterance], seed: int
) -> NDArray[np.float64]:
    """Resample error rates on one set; nan where a draw has no words."""
    counts = np.array([column for each in part for column in (each.errors, each.words)]).T
    blocks = choose_blocks(utterances)
    sums = resample_sums(add_by_block(counts.astype(np.float64), blocks), seed)
    errors, words = sums[:, 0::2], sums[:, 1::2]
    rates = np.full(errors.shape, np.nan)
    np.divide(errors, words, out=rates, where=words > 0)
    return rates
