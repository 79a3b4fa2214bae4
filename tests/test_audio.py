"""Audio: what is read equals what was written; what must not be read is refused by name."""

from __future__ import annotations

import itertools
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asr_adapt import mp3
from asr_adapt.audio import (
    MAX_UTTERANCE_S,
    SAMPLE_RATE_HZ,
    apply_long_policy,
    estimate_snr_db,
    load_audio,
    probe_audio,
    quiet_cuts_s,
    read_channels,
    write_flac,
)
from asr_adapt.errors import AudioError
from asr_adapt.records import Utterance

FORMATS = ("wav", "flac", "mp3", "ogg", "aiff", "au")


def tone(
    duration_s: float, rate_hz: int = SAMPLE_RATE_HZ, hz: float = 440.0
) -> NDArray[np.float64]:
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return np.asarray(0.3 * np.sin(2 * np.pi * hz * times_s))


def noise(duration_s: float, rate_hz: int = SAMPLE_RATE_HZ) -> NDArray[np.float64]:
    return 0.1 * np.random.default_rng(0).standard_normal(round(duration_s * rate_hz))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_every_format_and_rate_comes_out_as_the_same_tone(
    tmp_path: Path, suffix: str, rate_hz: int
) -> None:
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, tone(1.5, rate_hz), rate_hz)
    info = probe_audio(path)
    assert (info.rate_hz, info.channels) == (rate_hz, 1)
    assert info.duration_s == pytest.approx(1.5, abs=0.1)  # an mp3 without header is padded
    samples = load_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(info.duration_s * SAMPLE_RATE_HZ, abs=2)
    middle = samples[8000:16000]
    assert np.abs(np.fft.rfft(middle)).argmax() * 2 == 440  # 0.5 s: 2 Hz per bin
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_segment_is_the_same_stretch_of_the_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, noise(6, 22050), 22050)
    whole, _ = read_channels(path)
    for start_s, duration_s in ((0.0, 1.0), (2.3, 2.0), (4.9, 1.1)):
        segment, rate_hz = read_channels(path, start_s, duration_s)
        first = round(start_s * rate_hz)
        assert np.allclose(segment, whole[first : first + len(segment)], atol=1e-6)
        assert len(segment) == pytest.approx(duration_s * rate_hz, abs=1)


def test_resampling_keeps_speech_and_removes_what_would_alias(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, tone(1, 48000, 12000.0), 48000, subtype="FLOAT")
    assert np.abs(load_audio(path)[1000:-1000]).max() < 1e-3


def test_stereo_is_averaged_but_opposite_phase_is_refused(tmp_path: Path) -> None:
    left, right = tone(1), noise(1)
    for name, channels in (
        ("stereo", (left, right)),
        ("one side", (left, np.zeros(len(left)))),
        ("nothing", (np.zeros(len(left)), np.zeros(len(left)))),
        ("equal", (left, left)),
    ):
        soundfile.write(tmp_path / f"{name}.wav", np.stack(channels, 1), 16000, subtype="FLOAT")
        assert np.allclose(load_audio(tmp_path / f"{name}.wav"), sum(channels) / 2, atol=1e-6)
    path = tmp_path / "opposite.wav"
    soundfile.write(path, np.stack([left, -0.98 * left], 1), 16000)
    with pytest.raises(AudioError, match="opposite phase"):
        load_audio(path)


def cut(share: float) -> Callable[[Path], None]:
    def cut_file(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return cut_file


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("suffix", [*FORMATS, "opus"])
def test_truncated_files_are_refused(
    tmp_path: Path, suffix: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"x.{suffix}"
    kind = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
    soundfile.write(path, noise(5), 16000, **kind)
    cut(share)(path)
    with pytest.raises(AudioError, match="x"):
        probe_audio(path)
    with pytest.raises(AudioError):
        load_audio(path)
    capfd.readouterr()  # libmpg123 writes its own warning


def test_a_wav_of_unknown_size_from_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(1), 16000)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(load_audio(path)) == 16000


def strip_length_header(path: Path) -> None:
    data = path.read_bytes()
    size, _ = mp3._frame(data, 0) or (0, 0)
    path.write_bytes(data[size:])


def test_an_mp3_whose_length_would_be_guessed_wrongly_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.mp3"
    soundfile.write(path, np.concatenate([noise(1), tone(9)]), 16000)
    strip_length_header(path)
    counted = mp3.count_samples(path)
    assert counted is not None
    assert counted / 16000 == pytest.approx(10, abs=0.1)
    with soundfile.SoundFile(path) as sound:
        assert sound.frames < 8 * 16000, "libsndfile has learned it: the guard can go"
    with pytest.raises(AudioError, match="variable bit rate"):
        probe_audio(path)
    capfd.readouterr()


def test_an_mp3_of_constant_bit_rate_needs_no_header(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(7, 44100), 44100, bitrate_mode="CONSTANT", compression_level=0.8)
    strip_length_header(path)
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(4000))
    assert probe_audio(path).duration_s == pytest.approx(7, abs=0.06)
    assert len(load_audio(path)) == pytest.approx(7 * 16000, abs=1000)
    capfd.readouterr()


def test_reading_an_mp3_is_quiet_and_hides_nobody_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(7, 16000), 16000, bitrate_mode="VARIABLE", compression_level=0.5)
    path.write_bytes(path.read_bytes() + bytes(9000))  # the header's size is no longer right
    probe_audio(path)
    for start_s in np.arange(0, 5, 0.1):
        load_audio(path, float(start_s), 1.0)
    assert capfd.readouterr() == ("", "")
    with mp3.quiet_decoder():
        os.write(2, b"a word\n[src/libmpg123/layer3.c:f():1] error: x\nof others\n")
    os.write(2, b"after")
    assert capfd.readouterr().err == "a word\nof others\nafter"


def test_an_mp3_is_read_where_standard_error_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mp3, "STANDARD_ERROR", 10**6)  # no descriptor
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(2, 16000), 16000)
    assert len(load_audio(path, 0.5, 1.0)) == 16000


@pytest.fixture
def whole_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were read whole, each time they were."""
    read: list[Path] = []
    read_bytes = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    return read


def test_the_frames_of_a_file_are_counted_once_and_again_when_it_changes(
    tmp_path: Path, whole_reads: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Ten hours of a stream have over a million frames; a table cuts hundreds of segments."""
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(7, 44100), 44100, bitrate_mode="CONSTANT", compression_level=0.8)
    strip_length_header(path)
    whole_reads.clear()
    for start_s in range(5):
        load_audio(path, start_s, 1)
    assert whole_reads == [path]
    longer = probe_audio(path).duration_s
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert probe_audio(path).duration_s == pytest.approx(longer / 2, abs=0.1)
    capfd.readouterr()


def test_a_file_that_says_its_length_is_not_read_whole(
    tmp_path: Path, whole_reads: list[Path]
) -> None:
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(3), 16000)
    picture = b"ID3\x04\0\0" + bytes((0, 8, 0, 0)) + bytes(8 << 14)
    path.write_bytes(picture + path.read_bytes())
    whole_reads.clear()
    assert mp3.count_samples(path) is None
    assert probe_audio(path).duration_s == pytest.approx(3, abs=0.1)
    assert whole_reads == []


@pytest.mark.parametrize("junk", [0, 1, mp3.HEAD_BYTES - 3, mp3.HEAD_BYTES - 20, mp3.HEAD_BYTES])
@pytest.mark.parametrize("says_its_length", [True, False])
def test_what_stands_before_the_first_frame_changes_no_count(
    tmp_path: Path, junk: int, says_its_length: bool
) -> None:
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(3), 16000)
    if not says_its_length:
        strip_length_header(path)
    counted = mp3.count_samples(path)
    path.write_bytes(bytes(junk) + path.read_bytes())
    assert mp3.count_samples(path) == counted
    assert (counted is None) == says_its_length


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    samples = tone(1)
    samples[500] = bad
    soundfile.write(tmp_path / "x.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite"):
        load_audio(tmp_path / "x.wav")
    assert np.isfinite(load_audio(tmp_path / "x.wav", 0.5)).all()


def not_here(path: Path) -> None:
    """Leave nothing."""


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0), 16000, format="WAV")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (not_here, "no such file"),
    "empty": (Path.touch, "0 bytes"),
    "no samples": (no_samples, "no samples"),
    "text": (lambda path: path.write_text("hello"), "not a sound file"),
    "header only": (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVE"), "not a sound file"),
    "folder": (Path.mkdir, "not an ordinary file"),
    "pipe": (os.mkfifo, "not an ordinary file"),
    "link to itself": (lambda path: path.symlink_to(path), "."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sound_file_is_refused_with_path_and_utterance(
    tmp_path: Path, name: str
) -> None:
    make, reason = REFUSED[name]
    path = tmp_path / "x.wav"
    make(path)
    with pytest.raises(AudioError, match=reason) as caught:
        load_audio(path, utterance_id="u7")
    assert "u7" in str(caught.value)
    assert "x.wav" in str(caught.value)
    with pytest.raises(AudioError):
        probe_audio(path)


@pytest.mark.parametrize(
    ("start_s", "duration_s", "reason"),
    [
        (2.0, None, "starts at"),
        (5.0, 1.0, "starts at"),
        (-1.0, 1.0, "starts at"),
        (1.0, 1.2, "ends at"),
        (0.0, 0.0, "lasts 0"),
        (0.0, -1.0, "lasts -1"),
        (float("nan"), 1.0, "starts at"),
        (0.0, float("nan"), "lasts nan"),
    ],
)
def test_segments_outside_the_file_are_refused(
    tmp_path: Path, start_s: float, duration_s: float | None, reason: str
) -> None:
    soundfile.write(tmp_path / "x.wav", tone(2), 16000)
    with pytest.raises(AudioError, match=reason):
        load_audio(tmp_path / "x.wav", start_s, duration_s)


def test_times_rounded_past_the_end_are_forgiven(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", tone(2), 16000)
    assert len(load_audio(tmp_path / "x.wav", 1.5, 0.53)) == 8000


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0, 30.0])
def test_snr_of_bursts_in_noise_is_near_the_truth(snr_db: float) -> None:
    bursts = tone(8) * (np.arange(8 * 16000) // 8000 % 2)
    power = 0.3**2 / 2
    level = np.sqrt(power / 10 ** (snr_db / 10))
    hiss = np.random.default_rng(1).standard_normal(len(bursts)) * level
    assert estimate_snr_db((bursts + hiss).astype(np.float32)) == pytest.approx(snr_db, abs=3)


def test_snr_has_ends() -> None:
    assert estimate_snr_db(np.zeros(16000, np.float32)) == -10
    assert estimate_snr_db(np.zeros(3, np.float32)) == -10
    assert estimate_snr_db(tone(1).astype(np.float32) * (np.arange(16000) > 8000)) == 60


def long_utterance(tmp_path: Path) -> Utterance:
    """70 s of tone with pauses around 25.0 and 51.0 s, from 1 s on in its file."""
    samples = tone(72)
    for pause_s in (26.0, 52.0):
        middle = round(pause_s * 16000)
        samples[middle - 4000 : middle + 4000] = 0
    path = tmp_path / "long.wav"
    soundfile.write(path, samples, 16000)
    return Utterance("long", path, 1.0, 70.0, "words", speaker="anna", tags={"day": "1"})


def test_long_utterances_follow_the_policy(tmp_path: Path) -> None:
    long = long_utterance(tmp_path)
    short = replace(long, utterance_id="short", duration_s=30.0)
    with pytest.raises(AudioError, match=r"utterance 'long'.*70\.0 s"):
        apply_long_policy([short, long], "error")
    assert apply_long_policy([long, short], "skip") == ([short], [long])
    kept, skipped = apply_long_policy([short, long], "split")
    assert skipped == []
    assert [u.utterance_id for u in kept] == ["short", "long#1", "long#2", "long#3"]
    assert kept[0] is short


def test_pieces_cover_the_whole_and_are_cut_in_pauses(tmp_path: Path) -> None:
    long = long_utterance(tmp_path)
    pieces, _ = apply_long_policy([long], "split")
    assert pieces[0].start_s == long.start_s
    assert sum(piece.duration_s for piece in pieces) == pytest.approx(long.duration_s)
    for before, after in itertools.pairwise(pieces):
        assert after.start_s == pytest.approx(before.start_s + before.duration_s)
        assert min(abs(after.start_s - pause) for pause in (26.0, 52.0)) < 0.2
    for piece in pieces:
        assert piece.duration_s <= MAX_UTTERANCE_S
        assert piece.reference is None, "nobody knows which words are in which piece"
        assert piece.tags == {"day": "1", "piece_of": "long"}
        assert piece.recording == str(long.audio_path)
        assert len(load_audio(piece.audio_path, piece.start_s, piece.duration_s)) > 0


def test_cuts_exist_in_steady_noise() -> None:
    cuts = [0.0, *quiet_cuts_s(noise(100).astype(np.float32)), 100.0]
    assert all(0 < after - before <= 30 for before, after in itertools.pairwise(cuts))


def test_a_sound_that_the_disk_does_not_take_says_so_and_is_not_there(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # a disk that is full, for us
    try:
        with pytest.raises(OSError, match=r"File too large"):
            write_flac(tmp_path / "sound.flac", noise(1.0).astype(np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "sound.flac").exists()
