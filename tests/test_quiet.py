"""Clips without speech that training makes for itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr_adapt.adapter import read_card
from asr_adapt.audio import SAMPLE_RATE_HZ, load_utterance
from asr_adapt.training.dataset import check_references
from asr_adapt.training.quiet import LENGTHS_S, LEVELS_DB, coloured_noise, quiet_clips, quiet_count
from tests.toys import toy_base, toy_job, toy_rows, train_toy, with_settings


@pytest.mark.parametrize(
    ("share", "count"), [(0.0, 0), (1e-6, 1), (0.25, 10), (1.0, 40)], ids=["none", "few", "a", "b"]
)
def test_clips_are_made_for_a_share_of_the_data(share: float, count: int) -> None:
    assert quiet_count(share, 40) == count


def test_clips_say_nothing(toy: Path, tmp_path: Path) -> None:
    train = toy_rows(toy, "train")
    clips = quiet_clips(train, 7, tmp_path, (1, 6))
    assert len(clips) == 7
    assert {clip.reference for clip in clips} == {""}
    assert not {clip.utterance_id for clip in clips} & {u.utterance_id for u in train}
    check_references(clips, toy_base(toy))
    for clip in clips:
        assert LENGTHS_S[0] <= clip.duration_s <= LENGTHS_S[1]
        assert len(load_utterance(clip)) == round(clip.duration_s * SAMPLE_RATE_HZ)
    assert {u.language for u in clips} == {u.language for u in train}


def test_the_same_seed_makes_the_same_clips(toy: Path, tmp_path: Path) -> None:
    train = toy_rows(toy, "train")
    one, two, other = (
        {clip.utterance_id: clip.audio_path.read_bytes() for clip in clips}
        for clips in (
            quiet_clips(train, 4, tmp_path / "one" / "quiet", (1, 6)),
            quiet_clips(train, 4, tmp_path / "two" / "quiet", (1, 6)),
            quiet_clips(train, 4, tmp_path / "other" / "quiet", (1, 8)),
        )
    )
    assert one == two != other


def test_data_with_silence_of_their_own_get_none(toy: Path, tmp_path: Path) -> None:
    train = toy_rows(toy, "train")
    silent = [*train, replace(train[0], utterance_id="silent", reference="")]
    assert quiet_clips(silent, 4, tmp_path, (1, 6)) == []
    assert quiet_clips(train, 0, tmp_path, (1, 6)) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_its_level_and_falls_with_frequency(seed: int) -> None:
    noise = coloured_noise(4 * SAMPLE_RATE_HZ, np.random.default_rng(seed))
    level_db = 20 * np.log10(np.sqrt(np.mean(noise.astype(np.float64) ** 2)))
    assert LEVELS_DB[0] - 0.1 <= level_db <= LEVELS_DB[1] + 0.1
    power = np.abs(np.fft.rfft(noise.astype(np.float64))) ** 2
    freq_hz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE_HZ)
    low, high = (power[(freq_hz > f) & (freq_hz < 2 * f)].mean() for f in (200, 3200))
    assert 0.7 * high < low < 1.5 * 16**2 * high  # white to brown over four octaves


def test_an_adapter_says_whether_it_heard_silence(toy: Path, tmp_path: Path) -> None:
    for share in (0.0, 0.5):
        settings = replace(toy_job(toy).settings, silence_share=share, epochs=1)
        card = train_toy(toy, with_settings(toy_job(toy), settings), tmp_path / str(share))
        assert card.hears_silence == read_card(tmp_path / str(share)).hears_silence == (share > 0)
