"""The radio path against theory: FM noise, threshold, clicks, fading."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from asr_adapt.channel import (
    Dropouts,
    Fading,
    TelephoneSettings,
    VhfSettings,
    fm,
    telephone,
    vhf_fm,
)
from asr_adapt.channel.signals import as_generator, fast_length, frequencies_hz
from asr_adapt.errors import DataError

RATE_HZ = 16_000


def db(ratio: float) -> float:
    return 10 * math.log10(ratio)


def bare_carrier(duration_s: float) -> Tensor:
    return torch.ones(fast_length(round(duration_s * fm.IF_RATE_HZ)), dtype=torch.complex64)


def discriminated(carrier: Tensor, cnr_db: float) -> Tensor:
    return fm.discriminate(fm.through_if(carrier, cnr_db, as_generator(1)))


def noise_bandwidth_hz() -> float:
    """Two-sided noise bandwidth of an 8-pole Butterworth filter, in closed form."""
    half = math.pi / (2 * fm.IF_POLES)
    return 2 * fm.IF_HALF_BAND_HZ * half / math.sin(half)


def test_discriminator_noise_is_parabolic_above_threshold() -> None:
    noise = discriminated(bare_carrier(20), 20)
    psd = torch.fft.rfft(noise).abs().square()
    freq_hz = frequencies_hz(noise.numel(), fm.IF_RATE_HZ)
    edges = np.geomspace(200, 3500, 12)
    bands = [(freq_hz >= a) & (freq_hz < b) for a, b in pairwise(edges)]
    level = [math.log10(float(psd[band].mean())) for band in bands]
    centre = [math.log10(float(freq_hz[band].mean())) for band in bands]
    assert np.polyfit(centre, level, 1)[0] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("cnr_db", [14.0, 20.0, 30.0])
def test_output_snr_gain_is_that_of_fm_theory(cnr_db: float) -> None:
    """3 b^2 (b + 1) CNR for a tone of index b in an audio band W and an IF band 2 (b + 1) W."""
    band_hz, deviation_hz = 3000.0, 5000.0
    samples = fast_length(10 * fm.IF_RATE_HZ)
    time_s = torch.arange(samples, dtype=torch.float64) / fm.IF_RATE_HZ
    carrier = fm.modulate((deviation_hz * torch.sin(2 * math.pi * 1000 * time_s)).float())
    clean = torch.fft.rfft(discriminated(carrier, 120))
    noise = torch.fft.rfft(discriminated(carrier, cnr_db)) - clean
    heard = frequencies_hz(samples, fm.IF_RATE_HZ) <= band_hz
    measured = float(clean[heard].abs().square().sum() / noise[heard].abs().square().sum())
    index = deviation_hz / band_hz
    # The formula's IF band is 2 (b + 1) W; the noise bandwidth of our filter is 0.6 % wider.
    theory = 3 * index**2 * (index + 1) * noise_bandwidth_hz() / (2 * (index + 1) * band_hz)
    assert db(measured) - cnr_db == pytest.approx(db(theory), abs=0.6)


def test_output_snr_breaks_down_below_threshold() -> None:
    """Above threshold 10 dB of carrier are 10 dB of output; below, they are far more."""
    carrier = bare_carrier(5)
    low, high = (db(float(discriminated(carrier, c).square().mean())) for c in (0.0, 20.0))
    assert low - high > 20 + 1


def turns(received: Tensor, rate_hz: float) -> float:
    """Full turns of the phase per second, both ways: how often it passes an odd multiple of pi."""
    product = received * torch.roll(received, 1).conj()
    cycles = torch.cumsum(product.angle().double() / (2 * math.pi), 0)
    return int((torch.diff((cycles + 0.5).floor()) != 0).sum()) / (received.numel() / rate_hz)


@pytest.mark.parametrize("cnr_db", [-3.0, 0.0, 3.0, 5.0])
def test_clicks_come_at_rices_rate(cnr_db: float) -> None:
    """S. O. Rice, "Noise in FM receivers", 1963: r erfc(sqrt(CNR)) clicks per second.

    r is the RMS width of the noise, B / sqrt(12) for a rectangular band. Clicks are quick, so they
    are counted on an eight times finer grid; at 48 kHz the quickest ones fall between samples.
    """
    received = fm.through_if(bare_carrier(20), cnr_db, as_generator(3))
    half = received.numel() // 2
    spectrum = torch.fft.fft(received)
    gap = torch.zeros(7 * received.numel(), dtype=torch.complex64)
    fine = torch.fft.ifft(torch.cat([spectrum[:half], gap, spectrum[half:]]))
    theory = 2 * fm.IF_HALF_BAND_HZ / math.sqrt(12) * math.erfc(10 ** (cnr_db / 20))
    assert turns(fine, 8 * fm.IF_RATE_HZ) == pytest.approx(theory, rel=0.1)
    assert 0.7 * theory < turns(received, fm.IF_RATE_HZ) < 1.05 * theory


def test_no_clicks_far_above_threshold() -> None:
    # Twice the greatest deviation is out of reach of Gaussian noise at 20 dB.
    assert float(discriminated(bare_carrier(5), 20).abs().max()) < 10_000


def test_cnr_is_that_of_the_noise_behind_the_filter() -> None:
    nothing = torch.zeros(fast_length(480_000), dtype=torch.complex64)
    noise = fm.through_if(nothing, 7.0, as_generator(0))
    assert -db(float(noise.abs().square().mean())) == pytest.approx(7.0, abs=0.1)


def test_an_offset_carrier_keeps_its_phase_precise_for_half_a_minute() -> None:
    deviation_hz = torch.full((30 * fm.IF_RATE_HZ,), 1570.0)
    heard = fm.discriminate(fm.modulate(deviation_hz))[1:]
    assert float((heard - 1570.0).abs().max()) < 0.05


def test_scattered_paths_fade_like_rayleigh_with_clarkes_correlation() -> None:
    """P(power < x) = 1 - exp(-x); autocorrelation J0(2 pi fd t)."""
    gains = torch.stack(
        [fm.fading_gain(Fading(5.0, -30.0), 1000, as_generator(seed)) for seed in range(300)]
    )
    power = gains.abs().square()
    assert float(power.mean()) == pytest.approx(1, abs=0.05)
    for level in (0.03, 0.1, 0.5):
        assert float((power < level).float().mean()) == pytest.approx(1 - math.exp(-level), rel=0.1)
    for lag in (5, 10, 20, 40):
        expected = float(torch.special.bessel_j0(torch.tensor(2 * math.pi * 5 * lag * fm.FRAME_S)))
        correlation = float((gains[:, lag:] * gains[:, :-lag].conj()).real.mean())
        assert correlation == pytest.approx(expected, abs=0.06)


def test_a_steady_path_fades_by_its_k_factor() -> None:
    """The variance of the complex gain is 1 / (K + 1)."""
    gains = torch.stack(
        [fm.fading_gain(Fading(5.0, 10.0), 500, as_generator(s)) for s in range(99)]
    )
    assert float(gains.real.mean()) == pytest.approx((10 / 11) ** 0.5, abs=0.02)
    assert float(gains.var()) == pytest.approx(1 / 11, rel=0.1)


def test_dropouts_take_the_share_of_time_they_are_asked_for() -> None:
    drops = Dropouts(per_s=0.5, length_s=0.1, depth_db=20)
    gains = torch.cat([fm.dropout_gain(drops, 2000, as_generator(s)) for s in range(100)])
    assert sorted(set(gains.tolist())) == pytest.approx([0.1, 1.0])
    assert float((gains < 1).float().mean()) == pytest.approx(1 - math.exp(-0.05), rel=0.15)


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(0),
        torch.zeros(2, 100),
        torch.zeros(100, dtype=torch.float64),
        torch.tensor([0.0, math.nan]),
        torch.tensor([0.0, math.inf]),
    ],
)
def test_unusable_signals_are_refused(bad: Tensor) -> None:
    with pytest.raises(DataError, match="channel"):
        vhf_fm(bad, VhfSettings(), 0)
    with pytest.raises(DataError, match="channel"):
        vhf_fm(torch.zeros(800), VhfSettings(), 0, interferer=bad)
    with pytest.raises(DataError, match="channel"):
        telephone(bad, TelephoneSettings(), 0)


@pytest.mark.parametrize("samples", [2, 3, 7, 97, 4801, 80_480, 99_999])
def test_fast_length_is_the_next_even_product_of_small_primes(samples: int) -> None:
    def smooth(n: int) -> bool:
        for prime in (2, 3, 5):
            while n % prime == 0:
                n //= prime
        return n == 1

    expected = next(n for n in range(samples, 3 * samples) if n % 2 == 0 and smooth(n))
    assert fast_length(samples) == expected
