"""Frequency modulation, the radio path and the discriminator, at complex baseband.

The physics between `vhf`'s transmitter and receiver: signals here are complex, at 48 kHz, with the
wanted carrier at 0 Hz and an amplitude of 1. Noise is white and Gaussian within the receiver's
intermediate-frequency (IF) filter, so what the discriminator makes of it (noise that rises with
frequency above threshold, clicks below it) comes out by itself and is not modelled.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from asr_adapt.channel.settings import Dropouts, Fading
from asr_adapt.channel.signals import low_pass, stretch

IF_RATE_HZ = 48_000
"""Rate of the complex baseband: three times the audio rate, 2.5 times the IF filter's skirts."""

IF_HALF_BAND_HZ = 8_000.0
"""-3 dB point of the IF filter. Carson's rule gives the same: 5 kHz of deviation + 3 kHz of audio
on either side (J. R. Carson, "Notes on the theory of modulation", Proc. IRE 10, 1922)."""

IF_POLES = 8

FRAME_S = 0.005
"""Step of the slow curves (fading, dropouts, squelch); fastest fading is 50 Hz."""

IF_FRAME = int(IF_RATE_HZ * FRAME_S)

SCATTERERS = 24
"""Paths in the sum of sinusoids; from some 16 on, the envelope is Rayleigh for all purposes."""


def modulate(deviation_hz: Tensor) -> Tensor:
    """Return a carrier of amplitude 1 whose frequency is off by ``deviation_hz`` at each sample."""
    # Seconds of a carrier that is 1 kHz off add up to a phase that float32 cannot resolve.
    cycles = torch.cumsum(deviation_hz, 0, dtype=torch.float64) / IF_RATE_HZ
    phase = (cycles - cycles.round()).to(torch.float32) * (2 * math.pi)
    return torch.complex(torch.cos(phase), torch.sin(phase))


def through_if(
    carrier: Tensor,
    cnr_db: float,
    generator: torch.Generator,
    half_band_hz: float = IF_HALF_BAND_HZ,
) -> Tensor:
    """Add receiver noise and pass the sum through the IF filter.

    The noise is drawn as a spectrum: white circular Gaussian noise is independent from bin to
    bin, and bins that the filter removes need not be drawn at all.

    Args:
        carrier: complex baseband, shape (samples,), an even number of them.
        cnr_db: power of a carrier of amplitude 1 over the noise power behind the filter.
        generator: source of the noise.
        half_band_hz: -3 dB point of the filter, 8 kHz at most.

    Returns:
        What the discriminator sees, complex, shape (samples,).
    """
    samples = carrier.numel()
    # The filter is down by 48 dB at twice its half band; nothing beyond is worth computing.
    edge = int(2 * half_band_hz / IF_RATE_HZ * samples)
    upper = low_pass(torch.arange(edge) * (IF_RATE_HZ / samples), half_band_hz, IF_POLES)
    response = torch.cat([upper, upper[1:].flip(0)])
    noise = torch.randn(response.numel(), dtype=torch.complex64, generator=generator)
    power = 10 ** (-cnr_db / 10) / float(response.square().sum())
    received = torch.fft.fft(carrier)
    received[edge : samples - edge + 1] = 0.0
    received[:edge] = (received[:edge] + noise[:edge] * (samples * power**0.5)) * upper
    received[samples - edge + 1 :] += noise[edge:] * (samples * power**0.5)
    received[samples - edge + 1 :] *= upper[1:].flip(0)
    filtered: Tensor = torch.fft.ifft(received)
    return filtered


def discriminate(received: Tensor) -> Tensor:
    """Return the instantaneous frequency in Hz: the phase step from sample to sample.

    A limiter is built in, as the phase step does not depend on the amplitude. The first sample is
    compared with the last one. Below threshold the phase makes full turns, the clicks of FM; the
    quickest fall between two samples (6 % of them at 0 dB, some 20 % at 5 dB).
    """
    product = received * torch.roll(received, 1).conj()
    return torch.atan2(product.imag, product.real) * (IF_RATE_HZ / (2 * math.pi))


def path_gain(
    fading: Fading | None, dropouts: Dropouts | None, frames: int, generator: torch.Generator
) -> Tensor:
    """Return the complex gain of the radio path, one value per 5 ms."""
    gain = torch.ones(frames, dtype=torch.complex64)
    if fading:
        gain = gain * fading_gain(fading, frames, generator)
    if dropouts:
        gain = gain * dropout_gain(dropouts, frames, generator)
    return gain


def stretch_gain(gain: Tensor, samples: int) -> Tensor:
    """Interpolate a complex gain linearly to a number of samples."""
    return torch.complex(stretch(gain.real, samples), stretch(gain.imag, samples))


def fading_gain(fading: Fading, frames: int, generator: torch.Generator) -> Tensor:
    """Return a Rice fading gain, complex, one value per frame, mean power 1.

    Sum of sinusoids with random angles of arrival and phases after W. C. Jakes, "Microwave Mobile
    Communications", 1974, and C. Xiao, Y. R. Zheng, N. C. Beaulieu, "Novel sum-of-sinusoids
    simulation models for Rayleigh and Rician fading channels", IEEE Trans. Wireless Comm. 5, 2006.
    The autocorrelation of the scattered part is J0(2 pi doppler_hz t), as in Clarke's model.
    """
    draws = torch.rand(2, SCATTERERS, generator=generator) * 2 - 1
    angle = (2 * math.pi * torch.arange(SCATTERERS) + math.pi * draws[0]) / SCATTERERS
    time_s = torch.arange(frames) * FRAME_S
    omega = 2 * math.pi * fading.doppler_hz * torch.cos(angle)
    phase = time_s[:, None] * omega + math.pi * draws[1]
    scattered = torch.complex(torch.cos(phase), torch.sin(phase)).sum(1) / SCATTERERS**0.5
    k = 10 ** (fading.k_db / 10)
    gain: Tensor = (scattered + k**0.5) / (k + 1) ** 0.5
    return gain


def dropout_gain(dropouts: Dropouts, frames: int, generator: torch.Generator) -> Tensor:
    """Return the gain of a carrier with short losses, real, one value per frame."""
    mean = torch.tensor([dropouts.per_s * frames * FRAME_S])
    number = int(torch.poisson(mean, generator=generator))
    draws = torch.rand(2, number, 1, generator=generator)
    start = draws[0] * frames
    end = start + dropouts.length_s / FRAME_S * (0.5 + draws[1])
    index = torch.arange(frames)
    lost = ((index >= start) & (index < end)).any(0)
    return torch.where(lost, 10 ** (-dropouts.depth_db / 20), 1.0)
