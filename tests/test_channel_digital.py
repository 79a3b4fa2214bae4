"""Digital voice: bit errors against theory, codes against counting, frames repeated and muted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from asr_adapt.channel import DigitalSettings, Fading, digital, digital_voice
from asr_adapt.channel.digital import GOLAY, HAMMING, MODES, CodecMode
from asr_adapt.channel.signals import as_generator
from asr_adapt.errors import UsageError
from asr_adapt.links import draw_link
from asr_adapt.sources.codec2 import find_codec2

RATE_HZ = 16_000
FRAME = MODES["3200"]


class Waves:
    """A codec without loss: 64 bits stand for 160 samples, eight bits for every twentieth."""

    def encode(self, pcm: bytes, mode: str) -> bytes:
        """Keep the high byte of every twentieth sample."""
        samples = np.frombuffer(pcm, "<i2")[: len(pcm) // 320 * 160]
        return ((samples[::20].astype(np.int32) >> 8) + 128).astype(np.uint8).tobytes()

    def decode(self, frames: bytes, mode: str) -> bytes:
        """Hold each kept sample for twenty."""
        kept = np.frombuffer(frames, np.uint8).astype(np.int32) - 128
        return np.repeat(kept << 8, 20).astype("<i2").tobytes()


def test_the_frame_of_project_25_is_protected_as_in_its_standard() -> None:
    words = digital.protection(CodecMode(88, 0.02))
    assert words == [GOLAY] * 4 + [HAMMING] * 3 + [(7, 7, 0)]
    assert digital.coded_bits(CodecMode(88, 0.02)) == 144


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_all_bits_of_a_frame_are_carried(mode: CodecMode) -> None:
    assert sum(message for _, message, _ in digital.protection(mode)) == mode.bits


@pytest.mark.parametrize("cnr_db", [3.0, 8.0, 12.0])
def test_bits_go_wrong_as_often_as_theory_says(cnr_db: float) -> None:
    ratio = 10 ** (cnr_db / 10)
    still = digital.bit_error_rates(DigitalSettings(cnr_db=cnr_db), 4, FRAME, as_generator(0))
    assert still.numpy() == pytest.approx(0.5 * math.exp(-ratio / 2))
    fading = Fading(doppler_hz=40.0, k_db=-30.0)  # Rayleigh
    rates = [
        digital.bit_error_rates(
            DigitalSettings(cnr_db=cnr_db, fading=fading), 500, FRAME, as_generator(seed)
        ).mean()
        for seed in range(40)
    ]
    assert float(np.mean(rates)) == pytest.approx(1 / (2 + ratio), rel=0.1)


@pytest.mark.parametrize(("word", "most"), [(0, 3), (3, 1)])
def test_a_word_is_mended_up_to_what_its_code_corrects(word: int, most: int) -> None:
    words = digital.protection(FRAME)
    start = sum(length for length, _, _ in words[:word])
    for number in range(6):
        errors = np.zeros((1, digital.coded_bits(FRAME)), bool)
        errors[0, start : start + number] = True
        wrong, _, noticed, _ = digital.correct(errors, FRAME)
        assert wrong.sum() == (0 if number <= most else number)
        assert noticed[0] == min(number, most)


def test_few_errors_leave_the_frames_as_sent_and_many_silence_them() -> None:
    rng = np.random.default_rng(0)
    sent = rng.integers(0, 256, (200, FRAME.frame_bytes), dtype=np.uint8)
    shape = (200, digital.coded_bits(FRAME))
    heard, audible = digital.receive(sent, np.zeros(shape, bool), FRAME)
    assert (heard == sent).all()
    assert audible.all()
    some, audible = digital.receive(sent, rng.random(shape) < 0.01, FRAME)
    assert 0 < (some != sent).any(axis=1).sum() < 60
    assert audible.all()
    _, audible = digital.receive(sent, rng.random(shape) < 0.4, FRAME)
    assert not audible[60:].any()


def test_a_burst_is_bridged_by_the_frame_before_and_then_muted() -> None:
    sent = np.arange(60, dtype=np.uint8)[:, None].repeat(FRAME.frame_bytes, 1)
    errors = np.zeros((60, digital.coded_bits(FRAME)), bool)
    errors[20:26] = True
    heard, audible = digital.receive(sent, errors, FRAME)
    assert (heard[20:26] == sent[19]).all()
    assert audible[:23].all()
    assert not audible[23:26].any()
    assert (heard[26:] == sent[26:]).all()
    assert audible[40:].all()


def test_speech_comes_through_a_clear_link_and_keeps_its_length() -> None:
    time_s = torch.arange(RATE_HZ) / RATE_HZ
    speech = torch.sin(2 * math.pi * 100 * time_s) * torch.sin(2 * math.pi * time_s)
    heard = digital_voice(speech, DigitalSettings(cnr_db=40.0, agc=0.0), Waves(), 0)
    assert heard.shape == speech.shape
    late = 20  # the toy holds each of its samples for 2.5 ms
    assert float(torch.corrcoef(torch.stack([heard[late:], speech[:-late]]))[0, 1]) > 0.85
    again = digital_voice(speech, DigitalSettings(cnr_db=40.0, agc=0.0), Waves(), 0)
    assert torch.equal(heard, again)


def test_a_mode_that_codec2_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="9600"):
        DigitalSettings(mode="9600")


def test_a_channel_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="smoke"):
        draw_link("smoke", np.random.default_rng(0), (5.0, 10.0))


@pytest.mark.parametrize("channel", ["vhf", "nbfm", "am", "telephone"])
def test_links_are_drawn_and_carry_speech(channel: str) -> None:
    speech = torch.randn(RATE_HZ, generator=as_generator(0)) * 0.1
    link = draw_link(channel, np.random.default_rng(1), (20.0, 25.0))
    assert link.tags["channel"] == channel
    heard = link.send(speech, 3)
    assert heard.numel() >= speech.numel()
    assert torch.equal(
        heard, draw_link(channel, np.random.default_rng(1), (20.0, 25.0)).send(speech, 3)
    )


@pytest.mark.debian
@pytest.mark.parametrize("mode", MODES)
def test_codec2_speaks_the_frames_we_count(mode: str, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    codec = find_codec2(Path(pytestconfig.cache.mkdir("debian-packages")))
    pcm = np.zeros(8000, "<i2").tobytes()
    frames = codec.encode(pcm, mode)
    assert len(frames) == round(1 / MODES[mode].frame_s) * MODES[mode].frame_bytes
    assert len(codec.decode(frames, mode)) == len(pcm)
    voiced = (np.sin(np.arange(8000) * 0.1) * 8000).astype("<i2").tobytes()
    assert codec.decode(codec.encode(voiced, mode), mode) != codec.decode(frames, mode)


@pytest.mark.debian
def test_codec2_carries_a_voice_and_bad_links_lose_more_of_it(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    codec = find_codec2(Path(pytestconfig.cache.mkdir("debian-packages")))
    time_s = torch.arange(3 * RATE_HZ) / RATE_HZ
    harmonics = sum(torch.sin(2 * math.pi * 120 * k * time_s) / k for k in range(1, 20))
    speech = harmonics * (0.6 + 0.4 * torch.sin(2 * math.pi * 3 * time_s)) * 0.1
    power = {}
    for cnr_db in (25.0, 0.0):
        heard = digital_voice(speech, DigitalSettings(cnr_db=cnr_db), codec, 0)
        power[cnr_db] = float(heard.square().mean())
    assert power[25.0] > 1e-4
    assert power[0.0] < 0.3 * power[25.0]
