"""Inspection: every fault that was put into a data set is in its summary, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asr_adapt.cli import cli
from asr_adapt.importers.rows import SkippedRow
from asr_adapt.inspection import DataSummary, inspect_data, render_summary, silent_ends_s
from asr_adapt.manifest import ImportedData, load_data
from asr_adapt.records import Utterance


def speech(duration_s: float, seed: int = 0, rate_hz: int = 16000) -> NDArray[np.float64]:
    """Bursts of noise over a quiet floor: about 30 dB."""
    samples = np.random.default_rng(seed).standard_normal(round(duration_s * rate_hz))
    loud = np.arange(len(samples)) // (rate_hz // 4) % 2 == 0
    return samples * np.where(loud, 0.1, 0.1 / 31.6)


def inspect(*utterances: Utterance) -> DataSummary:
    return inspect_data(ImportedData(utterances, (), "CSV", {"audio": "path", "text": "words"}))


def kinds(summary: DataSummary) -> dict[str, int]:
    return {problem.kind: problem.count for problem in summary.problems}


def test_clean_data_has_no_problem_and_its_measures_are_right(tmp_path: Path) -> None:
    rows = []
    for number in range(5):
        path = tmp_path / f"{number}.wav"
        rate_hz = 8000 if number == 0 else 16000
        soundfile.write(path, speech(number + 1, number, rate_hz), rate_hz)
        text = " ".join(["over"] * 2 * (number + 1))
        tags = {"split": "test" if number == 4 else "train"}
        speaker = "anna" if number < 4 else "ben"
        rows.append(Utterance(f"u{number}", path, 0, number + 1, text, speaker=speaker, tags=tags))
    summary = inspect(*rows)
    assert summary.problems == ()
    assert (summary.utterances, summary.with_reference) == (5, 5)
    assert summary.audio_s == 15
    assert (summary.speakers, summary.recordings) == (2, 5)
    assert summary.splits == {"test": 1, "train": 4}
    assert summary.sample_rates_hz == {16000: 4, 8000: 1}
    assert summary.duration_s == pytest.approx((1, 1.4, 3, 4.6, 5))
    assert summary.words_per_s == pytest.approx((2,) * 5)
    assert summary.snr_db == pytest.approx((30,) * 5, abs=3)
    text = render_summary(summary)
    assert "no problems found" in text
    assert "2, recordings 5" in text
    # each ends with a quarter of a second between two bursts: 1.25 of 15 s
    assert "silent ends   8 % of the audio" in text
    assert "audio = path, text = words" in text
    assert "1.0 to 5.0 s, median 3.0, 80 % within 1.4 to 4.6" in text


SOUND_FAULTS: dict[str, tuple[NDArray[np.float64], str]] = {
    "clipped": (np.clip(speech(2) * 30, -1, 1), "clipped"),
    "silent": (speech(2) * 1e-4, "almost silent"),
    "opposite": (np.stack([speech(2), -speech(2)], 1), "channels that cancel each other"),
    "waiting": (np.pad(speech(0.7), (8000, 12800)), "mostly silence"),
}


@pytest.mark.parametrize("name", SOUND_FAULTS)
def test_faults_of_the_sound_are_found(tmp_path: Path, name: str) -> None:
    samples, kind = SOUND_FAULTS[name]
    soundfile.write(tmp_path / "x.wav", samples, 16000)
    summary = inspect(Utterance("bad", tmp_path / "x.wav", 0, 2, "over and out"))
    assert kinds(summary) == {kind: 1}
    assert summary.problems[0].examples == ("bad",)


def _is_silent_for(samples: NDArray[np.float64]) -> float:
    from librosa.effects import trim  # takes seconds to load

    kept, _ = trim(samples, top_db=30)
    return (len(samples) - len(kept)) / 16000


@pytest.mark.slow
def test_silence_at_the_ends_is_what_librosa_would_trim() -> None:
    for seed, (before, after) in enumerate([(0, 0), (16000, 0), (0, 12000), (8000, 40000)]):
        samples = np.pad(speech(1.7, seed) + 0.003, (before, after))
        found = silent_ends_s(samples.astype(np.float32), 16000)
        assert found == pytest.approx((before + after) / 16000, abs=0.021)
        # librosa looks through windows of 128 ms, so each end may begin that much earlier
        assert _is_silent_for(samples) == pytest.approx(found, abs=0.2)


def test_there_is_no_silence_where_there_is_nothing_else() -> None:
    assert silent_ends_s(np.zeros(16000, np.float32), 16000) == 0
    assert silent_ends_s(np.zeros(5, np.float32), 16000) == 0
    assert silent_ends_s(np.zeros(0, np.float32), 16000) == 0


TEXT_FAULTS = {
    "words " * 20: "too much text for its length",
    "a": "too little text for its length",
    "": "no words (scored as silence)",
    "this is <noise> [static] over": "neither words nor punctuation: < > [ ]",
    "this is a bell \x07 you hear": "neither words nor punctuation: U+0007",
    "this is a broken \ufffd letter": "neither words nor punctuation: \ufffd",
}


@pytest.mark.parametrize("text", TEXT_FAULTS)
def test_faults_of_the_words_are_found(tmp_path: Path, text: str) -> None:
    duration_s = 2.0 if text.startswith("words") else 5.5
    soundfile.write(tmp_path / "x.wav", speech(6), 16000)
    summary = inspect(Utterance("bad", tmp_path / "x.wav", 0, duration_s, text))
    (problem,) = summary.problems
    assert TEXT_FAULTS[text] in problem.kind
    assert "\x07" not in render_summary(summary)


def test_words_of_many_languages_are_no_fault(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", speech(2), 16000)
    texts = {
        "Ærø, naïve — “Où”?": "da",
        "«Прием» 5,5 %, Ada": "ru",
        "これは船です。" * 2: "ja",
        "it's o'clock…": "en",
        "Mäyday in Zürich, façade": "en",
        "ბათუმი": "ka",
    }
    for text, language in texts.items():
        summary = inspect(Utterance("u", tmp_path / "x.wav", 0, 2, text, language))
        assert summary.problems == (), text


def test_letters_of_another_script_are_found(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", speech(2), 16000)
    for text, language in {"«Прием», Ada": "en", "Μέιντεϊ": "ru"}.items():
        summary = inspect(Utterance("u", tmp_path / "x.wav", 0, 2, text, language))
        (problem,) = summary.problems
        assert f"'{language}' is not written in" in problem.kind


def test_characters_that_the_normaliser_leaves_are_found(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", speech(2), 16000)
    summary = inspect(Utterance("u", tmp_path / "x.wav", 0, 2, "go ahead ʘ over", "en"))
    (problem,) = summary.problems
    assert problem.kind == "characters that the normaliser spoken-en does not know: ʘ"


def test_speakers_of_test_rows_in_training_are_shown_by_line(tmp_path: Path) -> None:
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", speech(2, number), 16000)
    (tmp_path / "x.csv").write_text(
        "audio,text,speaker,recording,split\n0.wav,over and out,anna,r1,train\n"
        "1.wav,over and out,anna,r2,test\n2.wav,over and out,ben,r1,test\n"
        "3.wav,over and out,,r1,dev\n"
    )
    summary = inspect_data(load_data(tmp_path / "x.csv"))
    assert {p.kind: p.examples for p in summary.problems} == {
        "a speaker of test who is in training too": (f"{tmp_path}/x.csv:3: 1: anna",),
        "a recording of dev that is in training too": (f"{tmp_path}/x.csv:5: 3: r1",),
    }


def test_utterances_that_overlap_are_shown_by_line(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "call.wav", speech(9), 16000)
    (tmp_path / "x.csv").write_text(
        "id,audio,text,start,end\na,call.wav,go ahead,0,3\nb,call.wav,go ahead,2.9,5\n"
        "c,call.wav,go ahead,4,6\n"
    )
    summary = inspect_data(load_data(tmp_path / "x.csv"))
    assert [(p.kind, p.examples) for p in summary.problems] == [
        ("overlaps another utterance", (f"{tmp_path}/x.csv:4: c",))
    ]


def test_long_repeated_unreadable_and_unlabelled_rows(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", speech(31), 16000)
    soundfile.write(tmp_path / "a.wav", speech(2), 16000)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    summary = inspect(
        Utterance("long", tmp_path / "long.wav", 0, 31),
        Utterance("a", tmp_path / "a.wav", 0, 2),
        Utterance("copy", tmp_path / "copy.wav", 0, 2),
        Utterance("gone", tmp_path / "gone.wav", 0, 2),
    )
    assert kinds(summary) == {
        "longer than 30 s (cut it, or use --long)": 1,
        "the same sound as another utterance": 1,
        "sound that cannot be read": 1,
    }
    assert summary.with_reference == 0
    assert summary.words_per_s == ()
    text = render_summary(summary)
    assert "copy = a" in text
    assert "utterance 'gone'" in text
    assert "4, 0 with a reference" in text


@pytest.mark.parametrize("written", ["", "over and out"])
def test_a_table_without_words_is_inspected_as_speech_to_be_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str
) -> None:
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", speech(2, number), 16000)
    (tmp_path / "x.csv").write_text(f"audio,text\n0.wav,{written}\n1.wav,\n")
    cli.main(["data", "inspect", str(tmp_path / "x.csv")], standalone_mode=False)
    shown = capsys.readouterr().out
    assert f"2, {1 if written else 0} with a reference" in shown
    assert ("1 x without words" in shown) == bool(written)
    assert ("x.csv:3: 1" in shown) == bool(written)


def test_skipped_rows_come_first_and_ten_are_shown() -> None:
    skipped = tuple(SkippedRow(Path("x.csv"), n, f"bad \x1b[31m{n}") for n in range(2, 25))
    summary = inspect_data(ImportedData((), skipped, "CSV", {}))
    assert summary.problems[0].count == 23
    text = render_summary(summary)
    assert "23 x rows that cannot be used" in text
    assert text.count("x.csv:") == 10
    assert text.endswith("and 13 more")
    assert "\x1b" not in text


def test_inspection_of_a_table_counts_what_load_data_found(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech(2), 16000)
    (tmp_path / "x.csv").write_text("audio,text\na.wav,over and out\nb.wav,over\n")
    done: list[int] = []
    summary = inspect_data(load_data(tmp_path / "x.csv"), progress=lambda n, _: done.append(n))
    assert (summary.utterances, done) == (1, [1])
    assert kinds(summary) == {"rows that cannot be used": 1}
    assert "x.csv:3" in summary.problems[0].examples[0]
