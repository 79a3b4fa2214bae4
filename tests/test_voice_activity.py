"""Voice activity: what probabilities of speech become, and where a real detector hears none."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.errors import AudioError, UsageError
from asr_adapt.voice_activity import (
    CHUNK_S,
    Span,
    VoiceSettings,
    _cut,
    find_speech,
    join_spans,
    speech_probabilities,
    speech_spans,
)

SETTINGS = VoiceSettings()


def probabilities(*runs: tuple[float, float]) -> np.ndarray:
    """Probabilities that stay at a value for some seconds each."""
    return np.concatenate([np.full(round(s / CHUNK_S), value) for value, s in runs])


def test_speech_begins_high_ends_low_and_is_padded() -> None:
    heard = probabilities((0.1, 1.6), (0.9, 3.2), (0.4, 0.32), (0.9, 1.6), (0.1, 1.6))
    (span,) = speech_spans(heard, 8.32, SETTINGS)
    assert span.start_s == pytest.approx(1.6 - SETTINGS.pad_s)
    assert span.end_s == pytest.approx(6.72 + SETTINGS.pad_s)


def test_clicks_are_no_speech_and_padding_stays_inside() -> None:
    heard = probabilities((0.9, 0.096), (0.1, 1.6), (0.9, 3.2))
    (span,) = speech_spans(heard, 4.9, SETTINGS)
    assert span.end_s == 4.9
    assert speech_spans(np.zeros(0), 0.0, SETTINGS) == []


@pytest.mark.parametrize("threshold", [0.15, 0.1, 0.01, 0.005])
def test_the_faintest_voices_end_where_they_end(threshold: float) -> None:
    """The end must not lie below zero, where no probability does (Silero keeps it at 0.01)."""
    settings = VoiceSettings(threshold=threshold)
    heard = probabilities((0.001, 1.6), (0.9, 3.2), (0.001, 1.6), (threshold, 1.6))
    first, last = speech_spans(heard, 8.0, settings)
    assert first.start_s == pytest.approx(1.6 - SETTINGS.pad_s)
    assert first.end_s == pytest.approx(4.8 + SETTINGS.pad_s)
    assert last.start_s == pytest.approx(6.4 - SETTINGS.pad_s)
    assert last.end_s == 8.0


@given(
    st.lists(st.floats(0, 1), max_size=400),
    st.sampled_from([2.0, 5.0, 28.0]),
    st.sampled_from([0.5, 0.15, 0.01, 0.001]),
)
def test_stretches_are_in_order_inside_and_apart(
    values: list[float], longest_s: float, threshold: float
) -> None:
    settings = VoiceSettings(threshold=threshold, longest_s=longest_s)
    total_s = len(values) * CHUNK_S
    spans = speech_spans(np.array(values), total_s, settings)
    joined = join_spans(spans, settings)
    for span in joined:
        assert 0 <= span.start_s < span.end_s <= total_s
    for one, two in pairwise(joined):
        assert one.end_s <= two.start_s
        close = two.start_s - one.end_s <= settings.joined_pause_s
        assert not close or two.end_s - one.start_s > longest_s
    for at in np.flatnonzero(np.array(values) >= settings.threshold):
        run = np.array(values[at : at + 8])
        if len(run) == 8 and (run >= settings.threshold).all():  # 256 ms
            assert any(s.start_s <= at * CHUNK_S < s.end_s for s in joined)


def test_neighbours_are_joined_up_to_the_longest() -> None:
    spans = [Span(0, 10), Span(10.5, 20), Span(20.5, 27), Span(27.5, 30), Span(31, 32)]
    assert join_spans(spans, SETTINGS) == [Span(0, 27), Span(27.5, 30), Span(31, 32)]


def test_overlong_speech_is_cut_at_its_quietest_moments(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    samples = rng.standard_normal(16000 * 70) * 0.1
    for pause_s in (25, 50):
        samples[pause_s * 16000 - 4800 : pause_s * 16000 + 4800] *= 0.01
    soundfile.write(tmp_path / "x.wav", samples, 16000)
    pieces = list(_cut(tmp_path / "x.wav", Span(1.0, 69.5), 28.0))
    assert [piece.end_s for piece in pieces[:-1]] == pytest.approx([25, 50], abs=0.3)
    assert (pieces[0].start_s, pieces[-1].end_s) == (1.0, 69.5)
    assert [p.start_s for p in pieces[1:]] == [p.end_s for p in pieces[:-1]]


def test_noise_hum_and_silence_are_no_speech(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    hum = 0.1 * np.sin(2 * np.pi * 50 * np.arange(8000 * 2) / 8000)
    parts = [np.zeros(8000), rng.standard_normal(8000 * 2) * 0.1, hum, hum[:17]]
    soundfile.write(tmp_path / "x.wav", np.concatenate(parts), 8000)
    told: list[tuple[int, int]] = []
    spans = find_speech(
        tmp_path / "x.wav", SETTINGS, lambda done, total: told.append((done, total))
    )
    assert spans == []
    assert told == [(5, 5)]


def test_blocks_of_odd_lengths_keep_the_time() -> None:
    blocks = [np.zeros(n, np.float32) for n in (512 * 10 + 1, 512 * 10 - 1, 512 * 3 + 200)]
    assert len(speech_probabilities(blocks)) == 23


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="speech threshold 1"):
        VoiceSettings(threshold=1.0)
    with pytest.raises(AudioError, match="no such file"):
        find_speech(tmp_path / "gone.wav", SETTINGS)
