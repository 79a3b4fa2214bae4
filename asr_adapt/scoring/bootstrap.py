"""Confidence intervals and paired comparisons by resampling blocks of utterances.

Floor 3. Utterances of one speaker or recording err together, so they are drawn together
(Liu & Peng 2020, arXiv 1912.09508); two arms are compared on the same draws (Bisani & Ney 2004,
doi 10.1109/ICASSP.2004.1326009). Reads counts per utterance, writes intervals; seeded throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr_adapt.records import Utterance

RESAMPLES = 10_000
"""Of each interval: with so many its ends lie within a fiftieth of its width of where any number
of draws would put them (Efron & Tibshirani 1993, chapter 19, ask for 1000 and more)."""
FEWEST_BLOCKS = 10
"""Below this a percentile interval over blocks is far too narrow to be called 95 %."""

_CHUNK_CELLS = 4_000_000  # weights held at once: 32 MB


@dataclass(frozen=True, slots=True)
class Blocks:
    """Which utterances are resampled together.

    Attributes:
        kind: ``speaker``, ``recording`` or ``utterance``.
        index: block number of each utterance, 0 to `n` - 1.
        n: number of blocks.
        caveat: what the choice means for the intervals; None if nothing.
    """

    kind: str
    index: tuple[int, ...]
    n: int
    caveat: str | None


def choose_blocks(utterances: Sequence[Utterance]) -> Blocks:
    """Choose speakers as blocks if there are at least 10, else recordings if 10, else utterances.

    Speakers are taken only if every utterance names one.
    """
    speakers = [utterance.speaker for utterance in utterances]
    recordings = [utterance.recording for utterance in utterances]
    n_speakers = len(set(speakers) - {None})
    if None not in speakers and n_speakers >= FEWEST_BLOCKS:
        return _number("speaker", [str(speaker) for speaker in speakers], None)
    if None in speakers:
        who = "not every utterance names its speaker"
    else:
        who = f"only {n_speakers} speaker{'s' if n_speakers != 1 else ''}"
    if len(set(recordings)) >= FEWEST_BLOCKS:
        caveat = f"{who}: intervals are over recordings and may be too narrow for new speakers"
        return _number("recording", recordings, caveat)
    caveat = (
        f"{who} and {len(set(recordings))} recordings: intervals are over utterances and too"
        " narrow for new speakers or recordings"
    )
    return _number("utterance", [str(i) for i in range(len(utterances))], caveat)


def _number(kind: str, names: Sequence[str], caveat: str | None) -> Blocks:
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return Blocks(kind, tuple(numbers[name] for name in names), len(numbers), caveat)


def add_by_block(counts: NDArray[np.float64], blocks: Blocks) -> NDArray[np.float64]:
    """Add counts of shape (utterances, columns) to shape (blocks, columns)."""
    added = np.zeros((blocks.n, counts.shape[1]))
    np.add.at(added, np.array(blocks.index, dtype=np.intp), counts)
    return added


def resample_sums(
    counts: NDArray[np.float64], seed: int, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Draw as many blocks as there are, with replacement, and add their counts.

    Args:
        counts: shape (blocks, columns); the columns of one resample come from the same draw.
        seed: of NumPy's PCG64.
        resamples: number of draws.

    Returns:
        Sums, shape (resamples, columns).
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    n = len(counts)
    chunk = max(1, _CHUNK_CELLS // n)
    even = np.full(n, 1 / n)
    sums = [
        generator.multinomial(n, even, size=min(chunk, resamples - start)) @ counts
        for start in range(0, resamples, chunk)
    ]
    return np.concatenate(sums)


def rates(errors: NDArray[np.float64], words: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide errors by words per resample; a resample without words has no rate and is left out."""
    return errors[words > 0] / words[words > 0]


def interval95(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of resampled values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def two_sided_p(differences: NDArray[np.float64]) -> float:
    """Return the bootstrap p-value of "no difference" from resampled differences.

    Twice the smaller share of resamples on either side of 0, each with one added (Davison &
    Hinkley 1997, section 4.2), so it is never 0.
    """
    at_most = int(np.sum(differences <= 0)) + 1
    at_least = int(np.sum(differences >= 0)) + 1
    return min(1.0, 2 * min(at_most, at_least) / (len(differences) + 1))
