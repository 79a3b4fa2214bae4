"""Small signal tools that the channels share: filters on spectra, levels, slow curves.

Filters are Butterworth magnitudes applied to the spectrum of the whole, padded signal: no delay,
no ringing state, and a cost that a loop over samples cannot match. Refuses (DataError) signals
that are not 1-D, float32, finite and on the CPU.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from asr_adapt.errors import DataError

AUDIO_RATE_HZ = 16_000
"""Rate of all audio that enters and leaves the package."""

GUARD_S = 0.03
"""Silence behind a signal, so that what a filter spreads past one end dies before the other."""


def check_speech(speech: Tensor) -> None:
    """Raise DataError unless the tensor is a usable signal: 1-D, float32, CPU, finite."""
    if speech.ndim != 1 or speech.dtype != torch.float32 or speech.device.type != "cpu":
        raise DataError(
            f"channel: got a {speech.ndim}-D {speech.dtype} signal on {speech.device}; "
            "pass mono float32 samples on the CPU"
        )
    if speech.numel() == 0 or not bool(torch.isfinite(speech).all()):
        raise DataError("channel: the signal is empty or holds NaN or Inf; check the audio file")


def as_generator(seed: int | torch.Generator) -> torch.Generator:
    """Return a CPU generator of its own for an integer seed; a generator is returned as it is."""
    if isinstance(seed, torch.Generator):
        return seed
    return torch.Generator().manual_seed(seed)


def fast_length(samples: int) -> int:
    """Return the smallest even number >= ``samples`` without prime factors above 5.

    >>> fast_length(80_001)
    81000
    """
    best = 1 << max(1, math.ceil(math.log2(samples)))
    five = 1
    while five < best:
        three = five
        while three < best:
            power = max(1, math.ceil(math.log2(samples / three)))
            best = min(best, three << power)
            three *= 3
        five *= 5
    return best


def frequencies_hz(samples: int, rate_hz: float) -> Tensor:
    """Return the frequencies of the bins of `torch.fft.rfft`, shape (samples // 2 + 1,)."""
    freq_hz: Tensor = torch.fft.rfftfreq(samples, 1 / rate_hz)
    return freq_hz


def low_pass(freq_hz: Tensor, cutoff_hz: float, order: int) -> Tensor:
    """Return the magnitude of a Butterworth low-pass, -3 dB at the cut-off.

    Source: S. Butterworth, "On the theory of filter amplifiers", Wireless Engineer 7, 1930.
    """
    return (freq_hz / cutoff_hz).pow_(2 * order).add_(1).rsqrt_()


def band_pass(freq_hz: Tensor, low_hz: float, high_hz: float, order: int) -> Tensor:
    """Return a low-pass times a high-pass, both Butterworth; exactly 0 at 0 Hz."""
    # Below 1 Hz the reciprocal grows without bound; it is 0 there to 10 digits already.
    high = (low_hz / freq_hz.clamp(min=1.0)).pow_(2 * order).add_(1).rsqrt_()
    high[freq_hz < 1.0] = 0.0
    return low_pass(freq_hz, high_hz, order) * high


def active_rms(signal: Tensor, rate_hz: int = AUDIO_RATE_HZ) -> float:
    """Return the RMS of the stretches of a signal in which somebody speaks.

    A frame version of the active speech level of ITU-T P.56 (https://www.itu.int/rec/T-REC-P.56):
    20 ms frames count as active within 15.9 dB of the level of the active ones.
    """
    frame = rate_hz // 50
    if signal.numel() < frame:
        return float(signal.square().mean().sqrt())
    power = signal[: signal.numel() // frame * frame].view(-1, frame).square().mean(1)
    level = power.mean()
    for _ in range(3):
        level = power[power >= level * 10**-1.59].mean()
    return float(level.sqrt())


def stretch(curve: Tensor, samples: int) -> Tensor:
    """Interpolate a slow curve linearly to a number of samples, end points kept."""
    shape = curve.view(1, 1, -1)
    return F.interpolate(shape, size=samples, mode="linear", align_corners=True).view(-1)


def pad_to(signal: Tensor, samples: int) -> Tensor:
    """Return the signal with zeros behind it, or cut, so that it has this many samples."""
    return F.pad(signal, (0, samples - signal.numel()))


def resample_spectrum(spectrum: Tensor, old_samples: int, samples: int) -> Tensor:
    """Return the signal of a one-sided spectrum on a finer or coarser grid of the same duration.

    Args:
        spectrum: as `torch.fft.rfft` gives it; nothing of weight above the new Nyquist frequency.
        old_samples: how many samples the spectrum was taken of.
        samples: how many there are to be.
    """
    kept = spectrum[: samples // 2 + 1]
    signal: Tensor = torch.fft.irfft(kept, n=samples)
    return signal * (samples / old_samples)
