"""Words heard where nobody speaks: how many a minute, how sure that is, and what fine-tuning did.

Pure functions over a `SetReport`; only utterances that all arms have are counted. Intervals come
from the resampling of `asr_adapt.scoring.bootstrap`, the same draws for all arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr_adapt.reporting.arms import partner, split_arm
from asr_adapt.reporting.results import SetReport
from asr_adapt.reporting.tables import of_arm
from asr_adapt.scoring.bootstrap import (
    FEWEST_BLOCKS,
    add_by_block,
    choose_blocks,
    interval95,
    rates,
    resample_sums,
)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """What an arm heard where nobody spoke.

    Attributes:
        arm: name of the arm.
        words: heard in all clips without speech.
        clips: in how many of them it heard any.
        minutes: length of them all.
        ci95: interval of the words a minute; None with no word heard, which resampling cannot
            make more of, and with fewer than 10 clips.
    """

    arm: str
    words: int
    clips: int
    minutes: float
    ci95: tuple[float, float] | None

    @property
    def per_minute(self) -> float:
        """Words in a minute without speech."""
        return self.words / self.minutes


@dataclass(frozen=True, slots=True)
class SilenceChange:
    """What fine-tuning did: ``difference`` is after - before in words a minute."""

    before: MadeUp
    after: MadeUp
    ci95: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """Words a minute that are heard more."""
        return self.after.per_minute - self.before.per_minute


def made_up(part: SetReport) -> tuple[MadeUp, ...]:
    """Return what every arm heard where nobody spoke; empty where somebody always speaks."""
    counts = _count(part)
    draws = _draw(part, counts)
    minutes = float(counts[:, 0].sum()) / 60
    if not minutes:
        return ()
    return tuple(
        MadeUp(
            arm.arm,
            int(counts[:, i].sum()),
            int((counts[:, i] > 0).sum()),
            minutes,
            interval95(draws[:, i - 1]) if len(draws) and counts[:, i].any() else None,
        )
        for i, arm in enumerate(part.scores.arms, start=1)
    )


def silence_changes(part: SetReport) -> tuple[SilenceChange, ...]:
    """Compare fine-tuned arms that are told nothing with the untouched model of the same run."""
    heard = {each.arm: each for each in made_up(part)}
    draws = _draw(part, _count(part))
    names = list(heard)
    pairs = [
        (before, arm)
        for arm in names
        if split_arm(arm)[0] == "lora" and (before := partner("base", split_arm(arm)[1], names))
    ]
    return tuple(
        SilenceChange(heard[a], heard[b], _between(draws, names.index(a), names.index(b)))
        for a, b in pairs
    )


def _between(draws: NDArray[np.float64], a: int, b: int) -> tuple[float, float] | None:
    differences = draws[:, b] - draws[:, a]
    return interval95(differences) if differences.any() else None


def _silent(part: SetReport) -> list[str]:
    """List the compared utterances without speech, in the order of the set."""
    arms: Sequence[str] = [arm.arm for arm in part.scores.arms[:1]]
    silent = {each.utterance_id for arm in arms for each in of_arm(part, arm) if each.silence}
    return [each.utterance_id for each in part.entry.utterances if each.utterance_id in silent]


def _count(part: SetReport) -> NDArray[np.float64]:
    """Return seconds, and words of each arm, of every clip without speech."""
    lengths = {each.utterance_id: each.duration_s for each in part.entry.utterances}
    words = {(each.arm, each.utterance_id): each.words for each in part.scores.utterances}
    arms = [arm.arm for arm in part.scores.arms]
    rows = [
        [lengths[name], *(words[arm, name].insertions for arm in arms)] for name in _silent(part)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(arms) + 1)


def _draw(part: SetReport, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return resampled words a minute, shape (resamples, arms); no rows with too few clips."""
    names = set(_silent(part))
    blocks = choose_blocks([u for u in part.entry.utterances if u.utterance_id in names])
    if blocks.n < FEWEST_BLOCKS:
        return np.empty((0, counts.shape[1] - 1))
    sums = resample_sums(add_by_block(counts, blocks), part.scores.seed)
    return np.stack([60 * rates(sums[:, i], sums[:, 0]) for i in range(1, counts.shape[1])], axis=1)
