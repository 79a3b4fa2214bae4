"""The airband link against theory: detector noise, level control, whistles, band and limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from asr_adapt.channel import AmSettings, Fading, MicNoise, SecondCarrier, am, am_airband, fm
from asr_adapt.channel.signals import as_generator, fast_length, frequencies_hz
from asr_adapt.errors import DataError, UsageError

RATE_HZ = 16_000
CLEAR = AmSettings(cnr_db=80.0, agc=0.0)


def db(ratio: float) -> float:
    return 10 * math.log10(ratio)


def tone(freq_hz: float, duration_s: float, rate_hz: int = RATE_HZ) -> Tensor:
    time_s = torch.arange(round(duration_s * rate_hz), dtype=torch.float64) / rate_hz
    return torch.sin(2 * math.pi * freq_hz * time_s).to(torch.float32)


def amplitude_at(signal: Tensor, freq_hz: float, rate_hz: int = RATE_HZ) -> float:
    time_s = torch.arange(signal.numel(), dtype=torch.float64) / rate_hz
    window = torch.hann_window(signal.numel(), dtype=torch.float64)
    line = (signal * window * torch.exp(-2j * math.pi * freq_hz * time_s)).sum() / window.sum()
    return float(2 * line.abs())


@pytest.mark.parametrize("cnr_db", [15.0, 20.0, 30.0])
@pytest.mark.parametrize("half_band_hz", [3500.0, 8000.0])
def test_detector_snr_is_that_of_theory_above_threshold(cnr_db: float, half_band_hz: float) -> None:
    """2 m^2 <x^2> CNR B / W for an envelope detector, a two-sided IF band 2 B and audio to W.

    Only the half of the noise that is in phase with the carrier moves the envelope (J. G. Proakis
    and M. Salehi, "Communication Systems Engineering", 5.1.2).
    """
    depth, audio_hz = 0.8, 2500.0
    samples = fast_length(10 * fm.IF_RATE_HZ)
    freq_hz = frequencies_hz(samples, fm.IF_RATE_HZ)
    wave = 1 + depth * tone(1000.0, samples / fm.IF_RATE_HZ, fm.IF_RATE_HZ)
    carrier = torch.complex(wave, torch.zeros_like(wave))
    clean, noisy = (
        torch.fft.rfft(fm.through_if(carrier, cnr, as_generator(1), half_band_hz).abs())
        for cnr in (120.0, cnr_db)
    )
    heard = (freq_hz > 0) & (freq_hz <= audio_hz)
    noise = (noisy - clean)[heard].abs().square().sum()
    measured = float(clean[heard].abs().square().sum() / noise)
    half = math.pi / (2 * fm.IF_POLES)
    noise_band_hz = half_band_hz * half / math.sin(half)
    theory = 2 * depth**2 * 0.5 * 10 ** (cnr_db / 10) * noise_band_hz / audio_hz
    assert db(measured) == pytest.approx(db(theory), abs=0.7)


def test_noise_of_a_bare_carrier_falls_with_the_carrier_to_noise_ratio() -> None:
    silence = torch.zeros(2 * RATE_HZ)
    loud, soft = (
        float(am_airband(silence, AmSettings(cnr_db=c), 1).square().mean()) for c in (15.0, 25.0)
    )
    assert db(loud / soft) == pytest.approx(10, abs=0.5)


def test_level_control_holds_the_level_of_a_weaker_carrier() -> None:
    wave = 1 + 0.5 * tone(1000.0, 2.0, fm.IF_RATE_HZ)
    settled = slice(fm.IF_RATE_HZ, None)
    strong, weak = (am.level_control(wave * gain, 0.1)[settled] for gain in (1.0, 0.1))
    assert torch.allclose(strong, weak, atol=1e-4)
    assert float(strong.mean()) == pytest.approx(1.0, abs=0.01)


def test_level_control_recovers_with_its_time_constant() -> None:
    envelope = torch.cat([torch.ones(fm.IF_RATE_HZ), torch.full((2 * fm.IF_RATE_HZ,), 0.2)])
    held = am.level_control(envelope, 0.2)
    after = held[fm.IF_RATE_HZ + round(0.2 * fm.IF_RATE_HZ)]
    assert float(held[-1]) == pytest.approx(1.0, abs=0.01)
    assert float(after) == pytest.approx(0.2 / (0.2 + 0.8 / math.e), rel=0.03)


def test_two_carriers_whistle_at_their_distance_with_the_weaker_ones_amplitude() -> None:
    second = SecondCarrier(level_db=-26.0, offset_hz=700.0, start_share=0.0, end_share=1.0)
    heard = am_airband(torch.zeros(4 * RATE_HZ), replace(CLEAR, second=second), 0)
    expected = 10 ** (-26 / 20) * am.LOUDSPEAKER_GAIN
    assert amplitude_at(heard, 700.0) == pytest.approx(expected, rel=0.03)


def test_the_whistle_is_there_only_while_both_key() -> None:
    second = SecondCarrier(level_db=-20.0, offset_hz=900.0, start_share=0.5, end_share=0.75)
    heard = am_airband(torch.zeros(4 * RATE_HZ), replace(CLEAR, second=second), 0)
    before, during, after = heard[:31_000], heard[34_000:46_000], heard[50_000:]
    assert float(during.square().mean()) > 100 * float(before.square().mean())
    assert float(during.square().mean()) > 100 * float(after.square().mean())


def test_a_second_talker_is_heard_through() -> None:
    second = SecondCarrier(level_db=-10.0, offset_hz=0.0, start_share=0.0, end_share=1.0)
    settings = replace(CLEAR, second=second)
    silence, talk = torch.zeros(2 * RATE_HZ), tone(1100.0, 2.0) * 0.1
    assert amplitude_at(am_airband(silence, settings, 0, talk), 1100.0) > 0.02
    assert amplitude_at(am_airband(silence, settings, 0), 1100.0) < 0.002


@pytest.mark.parametrize(("high_hz", "kept"), [(2500.0, False), (3400.0, True)])
def test_the_audio_band_ends_with_the_channel_spacing(high_hz: float, kept: bool) -> None:
    settings = replace(CLEAR, modulation_db=-25, high_hz=high_hz, if_half_band_hz=8000)
    speech = torch.stack([tone(f, 2.0) for f in (100.0, 1000.0, 3200.0)]).sum(0) * 0.1
    heard = am_airband(speech, settings, 0)
    low, mid, high = (amplitude_at(heard, f) for f in (100.0, 1000.0, 3200.0))
    assert low < 0.01 * mid
    assert (high > 0.4 * mid) is kept


@pytest.mark.parametrize("modulation_db", [-20.0, 10.0])
def test_modulation_never_exceeds_its_depth(modulation_db: float) -> None:
    settings = AmSettings(modulation_db=modulation_db, depth=0.7)
    modulation = am.transmit(tone(500.0, 1.0), settings, 20_000, as_generator(0))
    assert float(modulation.abs().max()) <= 0.7


def test_same_seed_same_sound_and_everything_stays_in_range() -> None:
    settings = AmSettings(
        cnr_db=3.0, mic_noise=MicNoise(), fading=Fading(doppler_hz=10.0), second=SecondCarrier()
    )
    speech = tone(600.0, 1.3) * 0.2
    first, again, other = (am_airband(speech, settings, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == speech.shape
    assert float(first.abs().max()) <= 1


def test_sampled_links_differ_and_keep_to_the_range() -> None:
    rng = np.random.default_rng(0)
    links = [am.sample_am_settings(rng, (9.0, 12.0)) for _ in range(200)]
    assert all(9 <= link.cnr_db <= 12 for link in links)
    assert {link.second is None for link in links} == {True, False}
    assert min(link.high_hz for link in links) < 2600 < max(link.high_hz for link in links)


def test_nonsense_is_refused() -> None:
    with pytest.raises(UsageError, match="depth"):
        AmSettings(depth=1.5)
    with pytest.raises(UsageError, match="reversed"):
        am.sample_am_settings(np.random.default_rng(0), (20.0, 10.0))
    with pytest.raises(DataError, match="NaN"):
        am_airband(torch.full((100,), math.nan), AmSettings(), 0)
