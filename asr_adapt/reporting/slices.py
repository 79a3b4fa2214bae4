"""Break word error rates down by tag, by speaker and by noise.

Pure sums of the counts of `asr_adapt.scoring.score`; only utterances that all arms have are in
them. Noise comes from the tags ``cnr_db`` or ``snr_db``, else it is estimated from the audio.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asr_adapt.audio import estimate_snr_db, load_utterance
from asr_adapt.errors import AudioError
from asr_adapt.records import ErrorCounts, Utterance
from asr_adapt.scoring.score import RunScores

NOISE_TAGS = {
    "cnr_db": "carrier-to-noise ratio, dB",
    "snr_db": "signal-to-noise ratio, dB",
}
MOST_VALUES = 16
"""A tag with more values than this is an identifier, not a condition; it is left out."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Utterances that share a value, with the word errors of each arm on them.

    ``middle`` is the centre of a bin of numbers; None for other values.
    """

    value: str
    utterances: int
    words: Mapping[str, ErrorCounts]
    middle: float | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Slices by the values of one quantity; ``source`` says where the values are from."""

    name: str
    title: str
    source: str
    slices: tuple[Slice, ...]


Counts = Mapping[str, Mapping[str, ErrorCounts]]
"""Utterance id → arm → word errors."""


def compared_counts(scores: RunScores) -> dict[str, dict[str, ErrorCounts]]:
    """Collect the word errors that the rates are made of: of utterances all arms have."""
    left_out = set(scores.left_out)
    counts: dict[str, dict[str, ErrorCounts]] = defaultdict(dict)
    for each in scores.utterances:
        if each.utterance_id not in left_out and each.failed is None and not each.silence:
            counts[each.utterance_id][each.arm] = each.words
    return dict(counts)


def break_down_tags(utterances: Sequence[Utterance], counts: Counts) -> tuple[Breakdown, ...]:
    """Break down by speaker and by every tag that has 2 to `MOST_VALUES` values."""
    names = dict.fromkeys(name for each in utterances for name in each.tags)
    found = [
        _by_value(name, {each.utterance_id: each.tags.get(name) for each in utterances}, counts)
        for name in names
        if name not in NOISE_TAGS
    ]
    speakers = {each.utterance_id: each.speaker for each in utterances}
    found.append(_by_value("speaker", speakers, counts))
    return tuple(each for each in found if 2 <= len(each.slices) <= MOST_VALUES)


STEP_DB, WIDE_STEP_DB = 5, 10
"""Width of a bin of noise: 5 dB is a step that one hears; a very wide range is shown in tens."""
WIDE_RANGE_DB = 40
"""From here on tens: eight bins of 5 dB are as many as a table shows well."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How noisy each utterance is: ``values`` by utterance id, in decibels, in bins of a step."""

    name: str
    title: str
    source: str
    values: Mapping[str, float]
    step_db: int = STEP_DB

    def bin(self, utterance_id: str) -> int | None:
        """Return the bin of an utterance: its lower end in steps; None if its noise is unknown."""
        value = self.values.get(utterance_id)
        return None if value is None else math.floor(value / self.step_db)

    def label(self, low: int) -> str:
        """Return what a bin is called: ``10 to 15``."""
        return f"{low * self.step_db} to {(low + 1) * self.step_db}"


UNKNOWN_NOISE = Noise("snr_db", NOISE_TAGS["snr_db"], "unknown", {})


def measure_noise(utterances: Sequence[Utterance]) -> Noise:
    """Read how noisy utterances are from their tags, else estimate it from the audio."""
    for tag, title in NOISE_TAGS.items():
        tagged = {each.utterance_id: _number(each.tags.get(tag)) for each in utterances}
        if any(value is not None for value in tagged.values()):
            return _noise(tag, title, f"tag {tag}", tagged)
    measured = {each.utterance_id: _measure(each) for each in utterances}
    return _noise("snr_db", NOISE_TAGS["snr_db"], "estimated from the audio", measured)


def _noise(name: str, title: str, source: str, values: Mapping[str, float | None]) -> Noise:
    known = {key: value for key, value in values.items() if value is not None}
    range_db = max(known.values(), default=0.0) - min(known.values(), default=0.0)
    return Noise(name, title, source, known, WIDE_STEP_DB if range_db > WIDE_RANGE_DB else STEP_DB)


def break_down_noise(noise: Noise, counts: Counts) -> Breakdown | None:
    """Break down by noise; None if it is unknown or the same everywhere."""
    members: dict[int, list[str]] = defaultdict(list)
    for utterance_id in noise.values:
        low = noise.bin(utterance_id)
        if low is not None and utterance_id in counts:
            members[low].append(utterance_id)
    if len(members) < 2:
        return None
    slices = tuple(
        _slice(noise.label(low), members[low], counts, (low + 0.5) * noise.step_db)
        for low in sorted(members)
    )
    return Breakdown(noise.name, noise.title, noise.source, slices)


def _measure(utterance: Utterance) -> float | None:
    try:
        return estimate_snr_db(load_utterance(utterance))
    except AudioError:
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _by_value(name: str, values: Mapping[str, str | None], counts: Counts) -> Breakdown:
    members: dict[str, list[str]] = defaultdict(list)
    for utterance_id, value in values.items():
        if value and utterance_id in counts:
            members[value].append(utterance_id)
    slices = [_slice(value, members[value], counts) for value in sorted(members, key=natural)]
    return Breakdown(name, name, "tag", tuple(slices))


def natural(value: str) -> tuple[float, str]:
    """Order values as people do: numbers by size, then words."""
    number = _number(value)
    return (math.inf if number is None else number, value)


def _slice(value: str, members: list[str], counts: Counts, middle: float | None = None) -> Slice:
    words: dict[str, ErrorCounts] = {}
    for utterance_id in members:
        for arm, errors in counts[utterance_id].items():
            words[arm] = words.get(arm, ErrorCounts()) + errors
    return Slice(value, len(members), words, middle)
