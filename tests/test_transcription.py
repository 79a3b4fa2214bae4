"""Transcription: long recordings to files with times, the same after any stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysubs2
import pytest
import soundfile
from numpy.typing import NDArray

from asr_adapt import decode, transcription
from asr_adapt.audio import load_utterance
from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.errors import AudioError, DataError, Stopped, UsageError
from asr_adapt.records import BiasList, Utterance
from asr_adapt.settings import DecodeSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.transcription import (
    Recording,
    TranscriptionJob,
    groups,
    open_recordings,
    transcribe,
)
from asr_adapt.voice_activity import Span
from tests.toys import toy_rows, toy_weights

SENTENCES = (
    "The pilot will board at the sea buoy in twenty minutes.",
    "Please repeat the last message.",
)
FORMATS = ("txt", "srt", "vtt", "json")


@pytest.fixture
def spans() -> dict[str, list[Span]]:
    """Where the clips stand in each recording; filled by ``watch``."""
    return {}


@pytest.fixture
def watch(
    toy: Path, tmp_path: Path, spans: dict[str, list[Span]], monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    """Two recordings of the toy's tones, in which all clips count as speech."""
    for name, rows in (("day", toy_rows(toy, "test")[:5]), ("night", toy_rows(toy, "test")[5:8])):
        samples: list[NDArray[np.float64]] = []
        for row in rows:
            clip, rate_hz = soundfile.read(row.audio_path)
            start_s = sum(map(len, samples)) / rate_hz
            spans.setdefault(name, []).append(Span(start_s, start_s + len(clip) / rate_hz))
            samples += [clip, np.zeros(rate_hz)]
        soundfile.write(tmp_path / f"{name}.wav", np.concatenate(samples), rate_hz)
    monkeypatch.setattr(transcription, "find_speech", lambda path, *_: spans[path.stem])
    return [tmp_path / "day.wav", tmp_path / "night.wav"]


def nobody(_: str) -> Callable[[int, int], None]:
    """No progress."""
    return lambda done, total: None


def run(
    audio: list[Path], job: TranscriptionJob, out: Path, stop: StopRequest | None = None
) -> dict[str, str]:
    """Transcribe and return what was written, by file name."""
    written = transcribe(audio, job, out, stop=stop or StopRequest(), progress_for=nobody)
    return {path.name: path.read_text() for path in written}


@pytest.fixture
def job(toy: Path) -> TranscriptionJob:
    return TranscriptionJob(toy_weights(toy), formats=FORMATS, decode=DecodeSettings(batch_size=2))


def test_every_stretch_is_written_with_its_times(
    watch: list[Path], spans: dict[str, list[Span]], job: TranscriptionJob, tmp_path: Path
) -> None:
    written = run(watch, job, tmp_path / "out")
    assert set(written) == {f"{name}.{form}" for name in ("day", "night") for form in FORMATS}
    whole = json.loads(written["day.json"])
    assert len(whole["segments"]) == 5
    for segment, span in zip(whole["segments"], spans["day"], strict=True):
        assert segment["start_s"] == pytest.approx(span.start_s, abs=0.001)
        assert segment["end_s"] == pytest.approx(span.end_s, abs=0.001)
    assert whole["made_with"]["model"]["sha256"] == job.weights.sha256


def test_stopped_work_goes_on_and_gives_the_same(
    watch: list[Path], job: TranscriptionJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = run(watch, job, tmp_path / "unbroken")
    stop = StopRequest()

    def stop_soon(done: int, total: int) -> None:
        if done >= 2:
            stop.signal_name = "SIGTERM"

    with pytest.raises(Stopped):
        transcribe(watch, job, tmp_path / "out", stop=stop, progress_for=lambda _: stop_soon)
    log = tmp_path / "out" / "hypotheses.jsonl"
    assert 0 < len(log.read_text().splitlines()) < 8
    assert run(watch, job, tmp_path / "out") == unbroken
    assert len(log.read_text().splitlines()) == 8

    def refuse(*_: object) -> None:
        raise AssertionError("the model is loaded for nothing")

    monkeypatch.setattr(transcription, "load_base", refuse)
    assert run(watch, job, tmp_path / "out") == unbroken


def test_other_settings_or_sounds_need_another_folder(
    watch: list[Path], job: TranscriptionJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "language_problem", lambda *_: None)  # it knows English
    out = tmp_path / "out"
    run(watch[1:], replace(job, formats=("txt",)), out)
    told = replace(job, bias_list=BiasList("ships", ("Ada",), "ships.txt"))
    for other, named in ((told, "bias"), (replace(job, language="de"), "language")):
        with pytest.raises(UsageError, match=f"made with another {named}.*use another --out"):
            run(watch, other, out)
    assert "day.vtt" in run(watch, replace(job, formats=("vtt",)), out)
    soundfile.write(watch[1], np.zeros(8000), 8000)
    with pytest.raises(UsageError, match="another recording 'night'"):
        run(watch, job, out)
    (out / "transcribe.json").write_text("[]")
    with pytest.raises(UsageError, match="no record of transcripts"):
        run(watch, job, out)


@pytest.mark.parametrize("left", ["hypotheses.jsonl", "day.srt"])
def test_what_nothing_says_the_making_of_is_not_taken_for_ours(
    left: str, watch: list[Path], job: TranscriptionJob, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(watch[:1], replace(job, formats=("srt",)), out)
    for path in out.iterdir():
        if path.name != left:
            path.unlink()
    before = (out / left).read_bytes()
    with pytest.raises(UsageError, match=rf"{left}: .*no transcribe\.json.*another --out"):
        run(watch, job, out)
    assert [path.name for path in out.iterdir()] == [left]
    assert (out / left).read_bytes() == before


def spoil(names: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second stretch of some recordings be no sound."""

    def load(utterance: Utterance) -> NDArray[np.float32]:
        if utterance.recording_id in names and utterance.start_s > 0:
            raise AudioError(utterance.audio_path, "the disk is gone", utterance.utterance_id)
        return load_utterance(utterance)

    monkeypatch.setattr(decode, "load_utterance", load)


def test_a_recording_that_cannot_be_decoded_whole_is_not_written_until_it_can(
    watch: list[Path], job: TranscriptionJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, out = run(watch, job, tmp_path / "unbroken"), tmp_path / "out"
    monkeypatch.setattr(transcription, "GROUP_S", 0.1)  # each recording is a group of its own
    with monkeypatch.context() as patched:
        spoil({"day"}, patched)
        for _ in range(2):
            with pytest.raises(DataError, match=r"1 of 2 .*'day'.*the disk is gone.*tries again"):
                run(watch, job, out)
            assert not list(out.glob("day.*"))
            assert {p.name: p.read_text() for p in out.glob("night.*")} == {
                name: text for name, text in unbroken.items() if name.startswith("night.")
            }
    # Earlier versions wrote such recordings, without what was missing.
    (out / "day.srt").write_text("")
    assert run(watch, job, out) == unbroken


def test_sound_in_which_no_speech_can_be_looked_for_costs_no_other_recording(
    watch: list[Path],
    spans: dict[str, list[Span]],
    job: TranscriptionJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find(path: Path, *_: object) -> list[Span]:
        if path.stem == "day":
            raise AudioError(path, "torn")
        return spans[path.stem]

    monkeypatch.setattr(transcription, "find_speech", find)
    for _ in range(2):
        with pytest.raises(DataError, match=r"1 of 2 .*'day'.*torn"):
            run(watch, job, tmp_path / "out")
        assert {p.stem for p in (tmp_path / "out").glob("*.srt")} == {"night"}


def test_what_is_no_sound_costs_no_other_recording(
    watch: list[Path], job: TranscriptionJob, tmp_path: Path
) -> None:
    junk, out = tmp_path / "junk.wav", tmp_path / "out"
    junk.write_bytes(b"no sound at all")
    with pytest.raises(AudioError, match=r"junk\.wav"):
        run([junk], job, out)
    assert not out.exists()
    with pytest.raises(DataError, match=r"1 of 3 recordings.*'junk'.*junk\.wav"):
        run([junk, *watch], job, out)
    assert {path.stem for path in out.glob("*.srt")} == {"day", "night"}


def test_a_transcript_never_takes_the_place_of_the_record(
    watch: list[Path],
    spans: dict[str, list[Span]],
    job: TranscriptionJob,
    tmp_path: Path,
) -> None:
    spans["transcribe"] = spans["day"]
    named = watch[0].rename(tmp_path / "transcribe.wav")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"transcribe\.wav: .*out/transcribe\.json.*rename"):
        run([named], job, out)
    assert not out.exists()
    assert list(run([named], replace(job, formats=("srt",)), out)) == ["transcribe.srt"]


def test_phrases_are_told(watch: list[Path], job: TranscriptionJob, tmp_path: Path) -> None:
    told = replace(job, bias_list=BiasList("ships", ("Ada", "Ben"), "ships.txt"))
    run(watch[1:], told, tmp_path / "out")
    rows = (tmp_path / "out" / "hypotheses.jsonl").read_text().splitlines()
    assert {json.loads(row)["arm"] for row in rows} == {"base+bias"}
    assert all("Ada, Ben" in json.loads(row)["prompt"] for row in rows)


def test_recordings_are_checked_before_work_begins(watch: list[Path], tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    twin = tmp_path / "more" / "day.wav"
    twin.write_bytes(watch[0].read_bytes())
    with pytest.raises(UsageError, match=r"more/day\.wav: its transcript would be that of"):
        open_recordings([*watch, twin])
    with pytest.raises(AudioError, match=r"gone\.wav"):
        open_recordings([watch[0], tmp_path / "gone.wav"])


def test_formats_that_do_not_exist_are_refused(job: TranscriptionJob) -> None:
    with pytest.raises(UsageError, match="format 'doc'"):
        replace(job, formats=("doc",))


def test_short_recordings_share_a_group_and_long_ones_do_not() -> None:
    lengths = [600.0, 600.0, 600.0, 10.0, 7200.0, 5.0]
    recordings = [Recording(str(i), Path(f"{i}.wav"), s) for i, s in enumerate(lengths)]
    found = list(groups(recordings))
    assert [[r.duration_s for r in group] for group in found] == [
        [600, 600, 600],
        [10],
        [7200],
        [5],
    ]


@pytest.mark.weights
def test_spoken_sentences_are_found_and_written_down(tmp_path: Path) -> None:
    """A synthetic voice, pauses of noise between, whisper-tiny.en, the real detector."""
    if package_files(PACKAGES["whisper-tiny.en"]) is None:
        pytest.skip("whisper-tiny.en is not installed")
    hibari = pytest.importorskip("hibari")
    voice = hibari.Hibari()
    rng = np.random.default_rng(1)
    rate_hz = 24000
    parts: list[NDArray[np.float64]] = []
    places: list[tuple[float, float]] = []
    for sentence in SENTENCES:
        parts.append(rng.standard_normal(rate_hz * 2) * 0.003)
        start_s = sum(map(len, parts)) / rate_hz
        parts.append(np.asarray(voice(sentence), np.float64))
        places.append((start_s, start_s + len(parts[-1]) / rate_hz))
    parts.append(rng.standard_normal(rate_hz * 2) * 0.003)
    path = tmp_path / "watch.wav"
    soundfile.write(path, np.concatenate(parts), rate_hz)
    job = TranscriptionJob(resolve_weights("whisper-tiny.en"), formats=("srt",), device="cpu")
    run([path], job, tmp_path / "out")
    events = pysubs2.load(str(tmp_path / "out" / "watch.srt")).events
    for event, (start_s, end_s), sentence in zip(events, places, SENTENCES, strict=True):
        assert event.start / 1000 == pytest.approx(start_s, abs=0.6)
        assert event.end / 1000 == pytest.approx(end_s, abs=0.6)
        words = set(sentence.lower().strip(".").split())
        heard = set(event.plaintext.lower().strip(".").split())
        assert len(words & heard) >= 0.7 * len(words)
