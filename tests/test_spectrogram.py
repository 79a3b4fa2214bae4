"""Spectrograms: a tone lies where the mel scale says, silence is dark, bytes are repeatable."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.records import Utterance
from asr_adapt.reporting import clips
from asr_adapt.reporting.plots import WAVE_ROWS, paint_sound
from asr_adapt.spectrogram import mel_decibels


def tone(pitch_hz: float, duration_s: float = 1.0, level: float = 0.3) -> NDArray[np.float32]:
    time_s = np.arange(round(16000 * duration_s)) / 16000
    return (level * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def write_sound(path: Path, samples: NDArray[np.float32]) -> Utterance:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        sound.writeframes((samples * 32767).astype("<i2").tobytes())
    return Utterance("call", path, 0, len(samples) / 16000, "over")


def slaney_mel(pitch_hz: float) -> float:
    """Linear to 1000 Hz (mel 15), then 27 steps to 6400 Hz (Slaney 1998, technical report)."""
    if pitch_hz < 1000:
        return pitch_hz / (200 / 3)
    return 15 + 27 * math.log(pitch_hz / 1000) / math.log(6.4)


@pytest.mark.parametrize("pitch_hz", [250, 440, 1000, 2182, 3000, 5500, 7500])
def test_a_tone_is_brightest_in_the_band_of_its_pitch(pitch_hz: float) -> None:
    decibels = mel_decibels(tone(pitch_hz))
    middle = decibels[:, 5:-5].mean(axis=1)
    # 80 triangles share 0 to 8 kHz; the first one's peak is one step above 0.
    expected = slaney_mel(pitch_hz) / (slaney_mel(8000) / 81) - 1
    # A tone between two peaks is in both: their areas are alike, the lower one is the narrower.
    assert abs(int(middle.argmax()) - expected) <= 1
    far = np.abs(np.arange(80) - expected) > 5
    assert middle[far].max() < middle.max() - 25


def test_values_lie_between_the_loudest_point_and_the_floor() -> None:
    burst = np.concatenate([np.zeros(8000, np.float32), tone(700), np.zeros(8000, np.float32)])
    decibels = mel_decibels(burst)
    assert decibels.max() == pytest.approx(0, abs=1e-4)
    assert decibels.min() == pytest.approx(-80)
    assert (decibels[:, :30] == decibels.min()).all()
    assert mel_decibels(burst * np.float32(0.01)) == pytest.approx(decibels, abs=0.01)


@pytest.mark.parametrize("length", [0, 1, 100, 16000])
def test_silence_is_dark(length: int) -> None:
    assert mel_decibels(np.zeros(length, np.float32)) == pytest.approx(-80)


def test_half_a_step_of_a_16_bit_file_is_not_blown_up_to_full_brightness() -> None:
    assert mel_decibels(tone(1000, level=0.5 / 32768)).max() < -5
    assert mel_decibels(tone(1000, level=20 / 32768)).max() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("duration_s", [0.032, 0.5, 4.2, 30.0])
def test_width_is_time(duration_s: float) -> None:
    assert mel_decibels(tone(500, duration_s)).shape == (80, 1 + int(duration_s * 64))


def test_a_moment_is_in_the_column_of_its_time() -> None:
    samples = np.zeros(32000, np.float32)
    samples[20000] = 0.5
    assert abs(int(mel_decibels(samples).max(axis=0).argmax()) - 20000 / 250) <= 1


def test_pictures_show_low_below_high_and_quiet_below_loud() -> None:
    decibels = np.full((80, 100), -80, np.float32)
    decibels[10, 20], decibels[60, 20] = 0, -20
    flat = np.zeros((2, 100), np.float32)
    picture = np.asarray(Image.open(io.BytesIO(paint_sound(flat, decibels))).convert("L"))
    assert picture.shape == (WAVE_ROWS + 80, 100)
    picture = picture[WAVE_ROWS:]
    assert int(picture[79 - 10, 20]) > int(picture[79 - 60, 20]) > 100
    assert np.delete(picture, 20, axis=1).max() < 5


def test_the_wave_is_as_high_as_it_is_loud() -> None:
    envelope = np.zeros((2, 30), np.float32)
    envelope[:, 10], envelope[:, 20] = (-0.4, 0.4), (0, 0.2)
    decibels = np.full((80, 30), -80, np.float32)
    picture = np.asarray(Image.open(io.BytesIO(paint_sound(envelope, decibels))).convert("L"))
    heights = (picture[:WAVE_ROWS] > 50).sum(axis=0)
    assert heights[10] == WAVE_ROWS
    assert abs(int(heights[20]) - WAVE_ROWS / 4) <= 1
    assert set(np.delete(heights, [10, 20])) <= {0, 1, 2}


def test_pictures_hold_pixels_and_nothing_else() -> None:
    wave_ = np.zeros((2, 65), np.float32)
    content = paint_sound(wave_, mel_decibels(tone(800)))
    assert content == paint_sound(wave_, mel_decibels(tone(800)))
    assert Image.open(io.BytesIO(content)).info.keys() <= {"dpi"}
    assert b"tEXt" not in content
    assert b"tIME" not in content


def test_pictures_stand_beside_their_sound_under_its_name(tmp_path: Path) -> None:
    folder = clips.ClipFolder(tmp_path / "out")
    clip = folder.keep(write_sound(tmp_path / "x.wav", tone(500, 2)))
    assert isinstance(clip, clips.Clip)
    assert clip.picture is not None
    assert clip.picture.address == clip.address.removesuffix(".wav") + ".png"
    assert clip.duration_s == 2
    with Image.open(tmp_path / "out" / clip.picture.address) as picture:
        assert picture.size == (clip.picture.width, clip.picture.height) == (129, WAVE_ROWS + 80)


def test_names_of_the_data_never_become_paths(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "x.wav", tone(500))
    hostile = ("../../up", "/etc/passwd", "a\0b", "<img src=x>", "con", "é" * 300)
    for name in hostile:
        row = Utterance(name, sound.audio_path, 0, 1, name, speaker=name, recording_id=name)
        assert isinstance(clips.ClipFolder(tmp_path / "out").keep(row), clips.Clip)
    names = sorted(path.name for path in (tmp_path / "out").rglob("*.*"))
    assert len(names) == 2
    assert all(set(name.split(".")[0]) <= set("0123456789abcdef") for name in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x.wav"]


@pytest.mark.parametrize("problem", [ImportError, RuntimeError])
def test_without_librosa_there_are_sounds_but_no_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem("cannot cache function")

    monkeypatch.setattr(librosa, "stft", fail)
    with pytest.raises(EnvironmentProblem, match="NUMBA_CACHE_DIR"):
        mel_decibels(tone(500))
    clip = clips.ClipFolder(tmp_path / "out").keep(write_sound(tmp_path / "x.wav", tone(500)))
    assert isinstance(clip, clips.Clip)
    assert clip.picture is None
    assert [path.suffix for path in (tmp_path / "out" / "audio").iterdir()] == [".wav"]


def test_a_page_takes_sounds_until_one_does_not_fit(tmp_path: Path) -> None:
    folder = clips.ClipFolder(tmp_path / "out")
    rows = [write_sound(tmp_path / f"{i}.wav", tone(300 + 50 * i, i)) for i in (1, 3, 1)]
    beside = [folder.keep(row) for row in rows]
    everything = clips.ClipsInPage(10**9)
    within = [everything.keep(row) for row in rows]
    for one, other in zip(beside, within, strict=True):
        assert isinstance(one, clips.Clip)
        assert isinstance(other, clips.Clip)
        assert other.content(tmp_path) == one.content(tmp_path / "out")
        assert replace(one, address="", picture=None) == replace(other, address="", picture=None)
    needed = 10**9 - everything.room_bytes
    exact = clips.ClipsInPage(needed)
    assert [exact.keep(row) for row in rows] == within
    assert exact.room_bytes == 0
    first = within[0]
    assert isinstance(first, clips.Clip)
    small = clips.ClipsInPage(2 * first.size)
    assert [small.keep(row) for row in rows] == [first, *[clips.NoClip.NO_ROOM] * 2]


@pytest.mark.slow
def test_librosa_is_loaded_for_the_first_picture_and_torch_never() -> None:
    code = (
        "import sys, numpy, asr_adapt.reporting.build\n"
        "from asr_adapt.spectrogram import mel_decibels\n"
        "assert not {'numba', 'librosa.core', 'torch'} & set(sys.modules)\n"
        "mel_decibels(numpy.zeros(16000, 'f'))\n"
        "assert 'librosa.core' in sys.modules\n"
        "assert not {'torch', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
