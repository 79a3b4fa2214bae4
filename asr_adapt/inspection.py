"""What ``asr-adapt data inspect`` says: how much there is, of what kind, and what looks wrong.

Reads what was imported and every sound in it; changes nothing. Problems named here do not stop
training or scoring, they are what a person should look at first. Rows that cannot be used at all
are the importer's and come first in the list.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from asr_adapt.audio import Samples, estimate_snr_db, frame_energy, read_channels
from asr_adapt.errors import AudioError
from asr_adapt.manifest import ImportedData
from asr_adapt.records import Utterance
from asr_adapt.words.text import BY_LANGUAGE, normaliser_for
from asr_adapt.words.text_checks import overlapping, shared_with_training, text_problems

SHOWN_EXAMPLES = 10
CLIPPED_LEVEL = 0.999
"""Of full scale: 16-bit samples above it are the last 33 values."""
CLIPPED_SHARE = 0.001
"""One sample in a thousand at full scale is heard as distortion, single peaks are not."""
QUIET_DBFS = -55.0
"""Speech is recorded at -30 to -15 dBFS; 25 dB less is a closed squelch or a dead microphone."""
SILENT_DB = 30.0
"""Ends this much quieter than the loudest moment are silence, though not in steady noise."""
MOST_SILENT_SHARE = 0.5
"""More silence than sound in a clip: it was cut badly, and its window is computed for nothing."""
WITHOUT_WORDS = "without words (pseudo proposes some; finetune and eval need them)"
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""Of lengths, as they are shown: least, most, the middle, and what four of five lie between."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem, with examples.

    Attributes:
        kind: what is wrong, in words.
        count: how often.
        examples: the first ten, by place or id.
    """

    kind: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What is in a data set.

    Attributes:
        format_name: the format that was recognised.
        mapping: our names of columns to theirs.
        utterances: how many can be used.
        with_reference: how many of them have a reference.
        audio_s: their audio together, in seconds.
        speakers: how many speakers are named.
        recordings: how many recordings they were cut from.
        splits: utterances per split that the data names.
        sample_rates_hz: utterances per sample rate, most frequent first.
        duration_s: quantiles (0, 10, 50, 90, 100 %) of the lengths.
        words_per_s: the same quantiles of the speaking rates.
        snr_db: the same quantiles of the estimated signal-to-noise ratios.
        silence_s: audio before the first and after the last sound of each utterance, in seconds.
        problems: what looks wrong, worst first.
    """

    format_name: str
    mapping: dict[str, str]
    utterances: int
    with_reference: int
    audio_s: float
    speakers: int
    recordings: int
    splits: dict[str, int]
    sample_rates_hz: dict[int, int]
    duration_s: tuple[float, ...]
    words_per_s: tuple[float, ...]
    snr_db: tuple[float, ...]
    silence_s: float
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Sound:
    """What was measured in the sound of one utterance."""

    rate_hz: int
    snr_db: float
    silence_s: float
    problems: tuple[str, ...]
    fingerprint: str


def inspect_data(
    data: ImportedData,
    normaliser: str = BY_LANGUAGE,
    progress: Callable[[int, int], None] | None = None,
) -> DataSummary:
    """Measure a data set and list what looks wrong in it.

    Args:
        data: as imported.
        normaliser: the domain normaliser whose characters English references are checked against.
        progress: told how many utterances of how many are done.

    Raises:
        UsageError: there is no such normaliser.
    """
    characters = normaliser_for(normaliser, {u.language for u in data.utterances})
    notes: dict[str, list[str]] = defaultdict(list)
    notes["rows that cannot be used"].extend(str(row) for row in data.skipped)
    if not data.utterances and not data.skipped:
        notes["no utterance in it"].append(data.format_name)
    without = [u for u in data.utterances if u.reference is None]
    if len(without) < len(data.utterances):  # else it is speech that nobody has labelled yet
        notes[WITHOUT_WORDS].extend(_where(data, utterance) for utterance in without)
    sounds: list[_Sound] = []
    same_sound: dict[str, str] = {}
    for number, utterance in enumerate(data.utterances, start=1):
        name = _where(data, utterance)
        for problem in text_problems(utterance, characters):
            notes[problem].append(name)
        try:
            sound = _listen(utterance)
        except AudioError as error:
            place = data.places.get(utterance.utterance_id)
            notes["sound that cannot be read"].append(f"{place}: {error}" if place else str(error))
        else:
            sounds.append(sound)
            for problem in sound.problems:
                notes[problem].append(name)
            first = same_sound.setdefault(sound.fingerprint, name)
            if first != name:
                notes["the same sound as another utterance"].append(f"{name} = {first}")
        if progress is not None:
            progress(number, len(data.utterances))
    for problem, utterance in shared_with_training(data.utterances):
        notes[problem].append(f"{_where(data, utterance)}: {utterance.block}")
    for utterance in overlapping(data.utterances):
        notes["overlaps another utterance"].append(_where(data, utterance))
    return _summarise(data, sounds, notes)


def _where(data: ImportedData, utterance: Utterance) -> str:
    """Name an utterance by its place in the data, ``file:line``, and its id."""
    place = data.places.get(utterance.utterance_id)
    return f"{place}: {utterance.utterance_id}" if place else utterance.utterance_id


def _summarise(
    data: ImportedData, sounds: list[_Sound], notes: dict[str, list[str]]
) -> DataSummary:
    utterances = data.utterances
    rates = [_words(u) / u.duration_s for u in utterances if u.reference]
    splits = Counter(u.tags["split"] for u in utterances if "split" in u.tags)
    return DataSummary(
        format_name=data.format_name,
        mapping=dict(data.mapping),
        utterances=len(utterances),
        with_reference=sum(u.reference is not None for u in utterances),
        audio_s=sum(u.duration_s for u in utterances),
        speakers=len({u.speaker for u in utterances if u.speaker}),
        recordings=len({u.recording for u in utterances}),
        splits=dict(sorted(splits.items())),
        sample_rates_hz=dict(Counter(sound.rate_hz for sound in sounds).most_common()),
        duration_s=_quantiles([u.duration_s for u in utterances]),
        words_per_s=_quantiles(rates),
        snr_db=_quantiles([sound.snr_db for sound in sounds]),
        silence_s=sum(sound.silence_s for sound in sounds),
        problems=tuple(
            Problem(kind, len(names), tuple(names[:SHOWN_EXAMPLES]))
            for kind, names in notes.items()
            if names
        ),
    )


def _quantiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(q) for q in np.quantile(values, QUANTILES)) if values else ()


def _words(utterance: Utterance) -> int:
    return len((utterance.reference or "").split())


def _listen(utterance: Utterance) -> _Sound:
    """Read the sound of an utterance and measure it."""
    channels, rate_hz = read_channels(
        utterance.audio_path, utterance.start_s, utterance.duration_s, utterance.utterance_id
    )
    mono: Samples = channels.mean(axis=1, dtype=np.float32)
    power = float(np.square(mono, dtype=np.float64).mean())
    problems: list[str] = []
    if float((np.abs(channels) >= CLIPPED_LEVEL).mean()) > CLIPPED_SHARE:
        problems.append("clipped")
    if 10 * np.log10(max(power, 1e-12)) < QUIET_DBFS:
        loud = float(np.square(channels, dtype=np.float64).mean()) > 100 * power
        problems.append("channels that cancel each other" if loud else "almost silent")
    if rate_hz < 8000:
        problems.append("sampled at less than 8 kHz")
    silence_s = silent_ends_s(mono, rate_hz)
    if silence_s > MOST_SILENT_SHARE * len(mono) / rate_hz:
        problems.append("mostly silence")
    content = hashlib.sha256(np.ascontiguousarray(channels).tobytes()).hexdigest()
    snr_db = estimate_snr_db(mono, rate_hz)
    return _Sound(rate_hz, snr_db, silence_s, tuple(problems), content)


def silent_ends_s(samples: Samples, rate_hz: int) -> float:
    """Return how long a sound is silent before it begins and after it ends, in seconds.

    What ``librosa.effects.trim`` with ``top_db=30`` would cut off, measured in steps of 20 ms
    without the seconds that loading that function takes.

    Args:
        samples: mono, shape ``(samples,)``.
        rate_hz: their rate.
    """
    frame = int(0.02 * rate_hz)
    energy = frame_energy(samples, frame)
    loud = np.flatnonzero(energy >= energy.max(initial=0.0) * 10 ** (-SILENT_DB / 10))
    if not loud.size:
        return 0.0
    return float(len(energy) - 1 - loud[-1] + loud[0]) * frame / rate_hz


def render_summary(summary: DataSummary) -> str:
    """Write a summary as text for a terminal, one fact per line."""
    columns = ", ".join(f"{ours} = {theirs}" for ours, theirs in summary.mapping.items())
    rates = ", ".join(f"{rate} Hz ({n})" for rate, n in summary.sample_rates_hz.items())
    splits = ", ".join(f"{name} {n}" for name, n in summary.splits.items())
    silence = summary.silence_s / summary.audio_s if summary.audio_s else 0.0
    facts = [
        ("format", f"{summary.format_name}: {columns}"),
        ("utterances", f"{summary.utterances}, {summary.with_reference} with a reference"),
        ("audio", f"{summary.audio_s / 3600:.2f} h"),
        ("speakers", f"{summary.speakers or 'none named'}, recordings {summary.recordings}"),
        ("splits", splits or "none named"),
        ("sample rates", rates or "none"),
        ("length", _render_quantiles(summary.duration_s, "s")),
        ("words per s", _render_quantiles(summary.words_per_s, "")),
        ("SNR (rough)", _render_quantiles(summary.snr_db, "dB")),
        ("silent ends", f"{100 * silence:.0f} % of the audio"),
    ]
    lines = [f"{name:<13} {value}" for name, value in facts]
    if not summary.problems:
        return "\n".join([*lines, "", "no problems found"])
    for problem in summary.problems:
        lines += ["", f"{problem.count} x {problem.kind}"]
        lines += [f"  {_printable(example)}" for example in problem.examples]
        if problem.count > len(problem.examples):
            lines.append(f"  and {problem.count - len(problem.examples)} more")
    return "\n".join(lines)


def _render_quantiles(values: tuple[float, ...], unit: str) -> str:
    if not values:
        return "unknown"
    low, tenth, median, ninetieth, high = (f"{value:.1f}" for value in values)
    unit = f" {unit}" if unit else ""
    return f"{low} to {high}{unit}, median {median}, 80 % within {tenth} to {ninetieth}"


def _printable(text: str) -> str:
    """Show control characters instead of sending them to somebody's terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
