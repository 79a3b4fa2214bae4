"""Clips in which nobody speaks, mixed into training that has none, so that noise stays noise.

Whisper writes words for noise, and an adapter that only ever heard speech writes more. Training on
empty clips is the cure of the field (Whisper-Finetune, https://github.com/yeyupiaoling/Whisper-Finetune;
Calm-Whisper, https://arxiv.org/abs/2505.12969). Writes coloured noise into a folder; the same
seed gives the same clips on the same kind of processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_adapt.audio import SAMPLE_RATE_HZ, write_flac
from asr_adapt.records import Utterance

SLOPES = (0.0, 2.0)
"""The power of the noise falls with this power of the frequency: white to brown."""
LEVELS_DB = (-75.0, -25.0)
"""Level of the noise, below full scale."""
LENGTHS_S = (1.0, 10.0)
"""As long as calls are."""
LOWEST_HZ = 50.0
"""Below this the noise does not rise any more: loudspeakers and microphones end there."""


def quiet_count(share: float, labelled: int) -> int:
    """Return how many clips are a share of the labelled ones: at least one, of a share above 0."""
    return max(1, round(share * labelled)) if share else 0


def quiet_clips(
    labelled: Sequence[Utterance], count: int, folder: Path, seed: tuple[int, ...]
) -> list[Utterance]:
    """Make clips without speech to go with labelled ones; none if those hold some already.

    Args:
        labelled: speech; an empty reference says that nobody speaks.
        count: how many clips to make.
        folder: gets the audio, and names the clips; what is there already is kept.
        seed: of the noise.

    Returns:
        Rows with the reference ``""``, which training sends over its channel like clean speech.
    """
    if any(u.reference == "" for u in labelled):
        return []
    languages = [u.language for u in labelled]
    rows = []
    for index in range(count):
        rng = np.random.default_rng([*seed, index])
        path = folder / f"{folder.name}-{index:04d}.flac"
        samples = round(float(rng.uniform(*LENGTHS_S)) * SAMPLE_RATE_HZ)
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_flac(path, coloured_noise(samples, rng))
        rows.append(
            Utterance(
                utterance_id=path.stem,
                audio_path=path,
                start_s=0.0,
                duration_s=samples / SAMPLE_RATE_HZ,
                reference="",
                recording_id=path.stem,
                language=languages[index % len(languages)],
                tags={"channel": "clean"},
            )
        )
    return rows


def coloured_noise(samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of a colour and level drawn, float32 at 16 kHz, shape (samples,)."""
    freq_hz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    slope = rng.uniform(*SLOPES)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    shaped = np.fft.irfft(spectrum * np.maximum(freq_hz, LOWEST_HZ) ** (-slope / 2), samples)
    level = 10 ** (rng.uniform(*LEVELS_DB) / 20)
    noise: NDArray[np.float32] = (shaped * level / np.sqrt(np.mean(shaped**2))).astype(np.float32)
    return np.clip(noise, -1.0, 1.0)
