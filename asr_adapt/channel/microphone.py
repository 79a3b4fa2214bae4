"""What leaves a radio's microphone: the voice in its band, noise with it, its level evened out.

The first stage of every radio channel here, before modulation or coding. Signals at 16 kHz; reads
and writes nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from asr_adapt.channel.settings import MicNoise
from asr_adapt.channel.signals import AUDIO_RATE_HZ, active_rms, pad_to, stretch

SILENCE_RMS = 1e-4
"""Speech below this (-80 dBFS) is not turned up any further: it is silence, and stays it."""


def pick_up(
    speech: Tensor,
    freq_hz: Tensor,
    band: Tensor,
    noise: MicNoise | None,
    agc: float,
    generator: torch.Generator,
) -> Tensor:
    """Return speech within a band, with noise, evened out.

    Args:
        speech: float32 at 16 kHz.
        freq_hz: frequencies of the bins of the padded signal, from `signals.frequencies_hz`.
        band: response in those bins.
        noise: what the microphone hears besides, or None.
        agc: how far the level is evened out, 0 to 1.
        generator: source of the noise.

    Returns:
        Float32 at 16 kHz, as long as the bins say.
    """
    samples = 2 * (freq_hz.numel() - 1)
    voice: Tensor = torch.fft.irfft(torch.fft.rfft(pad_to(speech, samples)) * band, n=samples)
    level = max(active_rms(voice[: speech.numel()]), SILENCE_RMS)
    if noise:
        heard = microphone_noise(noise, freq_hz, band, samples, generator)
        voice = voice + heard * (level * 10 ** (-noise.snr_db / 20))
    return even_level(voice, level, agc)


def microphone_noise(
    noise: MicNoise, freq_hz: Tensor, band: Tensor, samples: int, generator: torch.Generator
) -> Tensor:
    """Return engine and wind noise with an RMS of 1 within the audio band.

    Wind follows the -5/3 law of turbulence in power (Morgan & Raspet, "Investigation of the
    mechanisms of low-frequency wind noise generation outdoors", JASA 92, 1992) and comes in
    gusts. The engine is a row of harmonics, 2 Hz wide and falling by 6 dB per octave: a plain
    likeness, not taken from a standard.
    """
    order = (freq_hz / noise.engine_hz).round().clamp(min=1)
    detune_hz = freq_hz - order * noise.engine_hz
    engine = torch.exp(-(detune_hz.square()) / 2) / order * band
    wind = freq_hz.clamp(min=1.0).pow(-5 / 6) * band
    share = noise.engine_share
    engine *= (share / engine.square().sum()).sqrt()
    wind *= ((1 - share) / wind.square().sum()).sqrt()
    draws = torch.randn(2, freq_hz.numel(), dtype=torch.complex64, generator=generator)
    hum, rush = torch.fft.irfft(draws * torch.stack([engine, wind]), n=samples) * (samples / 2**0.5)
    gusts = torch.randn(2 + samples // AUDIO_RATE_HZ * 2, generator=generator)
    # exp(0.4 x - 0.16) has a mean square of 1 for a standard normal x.
    noises: Tensor = hum + rush * stretch(torch.exp(0.4 * gusts - 0.16), samples)
    return noises


def even_level(voice: Tensor, level: float, strength: float) -> Tensor:
    """Bring the level of 100 ms stretches nearer to ``level``, by 20 dB of gain at most."""
    frame = AUDIO_RATE_HZ // 50
    frames = voice.numel() // frame
    power = voice[: frames * frame].view(1, frames, frame).square().mean(2)
    slow = F.avg_pool1d(power, 5, stride=1, padding=2, count_include_pad=False).view(-1)
    gain = (level / slow.sqrt().clamp(min=level / 10)).pow(strength)
    return voice * stretch(gain, voice.numel())
