"""How a sound looks: mel spectrograms in decibels, for the pictures beside the players.

The home of librosa. Takes samples at 16 kHz, gives an array that `asr_adapt.reporting.plots`
paints; reads and writes no files. Refuses a machine on which librosa cannot be loaded.
"""

from __future__ import annotations

import librosa  # loads its parts, and with them numba, when they are first asked for
import numpy as np
from numpy.typing import NDArray

from asr_adapt.audio import SAMPLE_RATE_HZ, Samples
from asr_adapt.errors import EnvironmentProblem

BANDS = 80
"""As many mel bands as Whisper hears in (Radford et al. 2022, arXiv 2212.04356, 2.2)."""
HOP_FRAMES = 250
"""Samples between columns: 64 columns show a second."""
WINDOW_FRAMES = 512
"""32 ms: the lowest mel bands are 37 Hz apart, the bins of this window 31 Hz, so none is empty."""
RANGE_DB = 80.0
TOP_HZ = SAMPLE_RATE_HZ // 2
QUIETEST_POWER = 1e-6
"""About what a tone of one 16-bit step (2^-15) gives in its band. Clips without anything louder
are not brightened further, so silence is dark."""


def mel_decibels(samples: Samples) -> NDArray[np.float32]:
    """Return the mel spectrogram of a sound in decibels below its loudest point.

    Power is summed by triangles on the mel scale of Slaney's Auditory Toolbox (1998, Interval
    Research technical report 1998-010), librosa's default. These two steps are what
    ``librosa.feature.melspectrogram`` does; calling them leaves out the parts of librosa that
    numba would have to compile the first time (11 s of processor time).

    Args:
        samples: mono at 16 kHz, shape ``(samples,)``.

    Returns:
        Values from -80 to 0, shape ``(80, 1 + samples // 250)``, 0 Hz first. Sounds shorter than
        32 ms are filled up to that with silence.

    Raises:
        EnvironmentProblem: librosa or the numba under it cannot be loaded here.
    """
    padded = np.pad(samples, (0, max(0, WINDOW_FRAMES - len(samples))))
    try:
        from librosa.filters import mel

        waves = librosa.stft(padded, n_fft=WINDOW_FRAMES, hop_length=HOP_FRAMES)
        bands = mel(sr=SAMPLE_RATE_HZ, n_fft=WINDOW_FRAMES, n_mels=BANDS, fmax=TOP_HZ)
        return _decibels(bands @ np.square(np.abs(waves)))
    # numba refuses numpy versions it does not know, and folders where it can keep nothing.
    except (ImportError, RuntimeError) as problem:
        raise EnvironmentProblem(
            f"librosa cannot be loaded: {problem}; if it is about a cache, set NUMBA_CACHE_DIR to "
            "a folder that can be written to"
        ) from problem


def _decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    loudest = max(float(power.max()), QUIETEST_POWER)
    lowest = QUIETEST_POWER * 10 ** (-RANGE_DB / 10)
    decibels: NDArray[np.float32] = librosa.power_to_db(
        power, ref=loudest, amin=lowest, top_db=RANGE_DB
    )
    return decibels
