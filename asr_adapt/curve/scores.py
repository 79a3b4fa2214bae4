"""Scores and laws of a learning curve: decoded text of all points to rates, intervals and fits.

Floor 3. All points are scored on the same utterances and resampled with the same draws, so what the
points share cancels where they are compared. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from asr_adapt.curve.power_law import FEWEST_POINTS, PowerLaw, fit_power_law, resampled_laws
from asr_adapt.curve.record import CurveArm, CurveFit, Estimate, Forecast
from asr_adapt.errors import DataError
from asr_adapt.records import ARMS, Hypothesis, Utterance
from asr_adapt.scoring.alignment import score_words
from asr_adapt.scoring.bootstrap import (
    Blocks,
    add_by_block,
    choose_blocks,
    interval95,
    rates,
    resample_sums,
)
from asr_adapt.words.text import get_normaliser

FIT_RESAMPLES = 1000
"""Enough for percentiles 2.5 and 97.5 to be steady to a tenth of the interval (Efron & Tibshirani
1993, chapter 13), and a second of work."""

BAND_POINTS = 25
"""Places along the curve at which its band is computed: the plot looks smooth."""
ONE_POINT = 0.01
"""Of word error rate: the step of which `CurveFit.next_point_minutes` tells the price."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CurveScores:
    """The scores of all points.

    Attributes:
        arms: of each point, in the order given.
        draws: resampled rates by (point number, arm), each of shape (resamples,).
        blocks: what was resampled together.
        utterances: how many were scored: those of which every point has a text.
    """

    arms: tuple[tuple[CurveArm, ...], ...]
    draws: dict[tuple[int, str], Numbers]
    blocks: Blocks
    utterances: int


def score_points(
    utterances: Sequence[Utterance],
    points: Sequence[Sequence[Hypothesis]],
    normaliser_name: str,
    seed: int,
) -> CurveScores:
    """Score the decoded text of all points on the utterances that all of them have.

    Args:
        utterances: the set; those without reference words are not scored.
        points: hypotheses of each point.
        normaliser_name: the domain normaliser.
        seed: of the resampling.

    Raises:
        DataError: no utterance has reference words and a text of every point and arm.
    """
    normalise = cache(get_normaliser(normaliser_name))
    texts = {
        (number, row.arm, row.utterance_id): row.text
        for number, rows in enumerate(points)
        for row in rows
        if row.error is None
    }
    columns = sorted({key[:2] for key in texts}, key=lambda key: (key[0], _place(key[1])))
    spoken = [
        u
        for u in utterances
        if normalise(u.reference or "") and all((*c, u.utterance_id) in texts for c in columns)
    ]
    if not spoken or not columns:
        raise DataError("no utterance has reference words and a text of every point: none to score")
    counts = _counts(spoken, texts, columns, normalise)
    blocks = choose_blocks(spoken)
    sums = resample_sums(add_by_block(counts, blocks), seed)
    draws = {c: rates(sums[:, i], sums[:, 0]) for i, c in enumerate(columns, start=1)}
    totals = counts.sum(axis=0)
    scored = {
        column: CurveArm(
            name=column[1],
            wer=Estimate(float(totals[i] / totals[0]), *interval95(draws[column])),
            errors=int(totals[i]),
            words=int(totals[0]),
        )
        for i, column in enumerate(columns, start=1)
    }
    arms = tuple(
        tuple(scored[c] for c in columns if c[0] == number) for number in range(len(points))
    )
    return CurveScores(arms, draws, blocks, len(spoken))


def _place(arm: str) -> int:
    return ARMS.index(arm) if arm in ARMS else len(ARMS)


def _counts(
    spoken: Sequence[Utterance],
    texts: Mapping[tuple[int, str, str], str],
    columns: Sequence[tuple[int, str]],
    normalise: Callable[[str], str],
) -> Numbers:
    """Return reference words and the errors of each column, shape (utterances, 1 + columns)."""
    rows = []
    for u in spoken:
        said = normalise(u.reference or "")
        found = [score_words(said, normalise(texts[(*c, u.utterance_id)])) for c in columns]
        rows.append([found[0].reference_length, *(each.errors for each in found)])
    return np.array(rows, dtype=np.float64)


def fit_arm(
    arm: str, minutes: Sequence[float], measured: Sequence[float], draws: Numbers, seed: int
) -> CurveFit | None:
    """Fit the law of one arm and say how far it can be trusted.

    Args:
        arm: its name.
        minutes: labels of each point, above 0.
        measured: the error rate at each, as fractions.
        draws: resampled rates, shape (resamples, points).
        seed: of the wobble added to them.

    Returns:
        The fit; None with too few points.
    """
    if len(set(minutes)) < FEWEST_POINTS:
        return None
    law = fit_power_law(minutes, measured)
    laws = resampled_laws(minutes, measured, draws[:FIT_RESAMPLES], seed)
    largest = max(minutes)
    gains = np.array([each(largest) - each(2 * largest) for each in laws])
    caveat = ""
    if len(minutes) == FEWEST_POINTS:
        caveat = (
            "three points fit without rest, so the interval does not know how much one training "
            "differs from another"
        )
    return CurveFit(
        arm=arm,
        floor=law.floor,
        scale=law.scale,
        exponent=law.exponent,
        largest_minutes=largest,
        now=_at(law, laws, largest),
        doubled=_at(law, laws, 2 * largest),
        gain=Estimate(law(largest) - law(2 * largest), *interval95(gains)),
        next_point_minutes=_next_point(law, laws, largest),
        band=tuple(
            Forecast(m, _at(law, laws, m))
            for m in np.geomspace(min(minutes), 2 * largest, BAND_POINTS).tolist()
        ),
        caveat=caveat,
    )


def _at(law: PowerLaw, laws: Sequence[PowerLaw], minutes: float) -> Estimate:
    return Estimate(law(minutes), *interval95(np.array([each(minutes) for each in laws])))


def _next_point(law: PowerLaw, laws: Sequence[PowerLaw], largest: float) -> Estimate | None:
    """Return what a further point costs; an interval without upper end where draws never get it."""
    minutes = law.minutes_for(law(largest) - ONE_POINT) - largest
    drawn = np.array([each.minutes_for(each(largest) - ONE_POINT) - largest for each in laws])
    # Not interpolated: between a number and infinity lies nothing.
    low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
    if not math.isfinite(minutes) or not math.isfinite(low):
        return None
    return Estimate(minutes, float(low), float(high) if math.isfinite(high) else None)
