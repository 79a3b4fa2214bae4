"""Text to a training set: what is read out, who speaks it, and what dev keeps for itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt import environment
from asr_adapt.audio import load_audio, write_flac
from asr_adapt.cli import cli
from asr_adapt.errors import DataError, EnvironmentProblem, Stopped, UsageError
from asr_adapt.manifest import read_manifest
from asr_adapt.stopping import StopRequest
from asr_adapt.unlabelled import synth
from asr_adapt.unlabelled.synth import (
    Line,
    SynthJob,
    read_lines,
    speak_lines,
    spell_digits,
    split_lines,
)
from asr_adapt.voices import SpeechRequest

VOICES = ("hibari-heart", "hibari-tenor", "piper-joe", "hibari-alto")
LINES = tuple(Line(f"ship number {w}", f"ship number {w}", ("Alma",)) for w in "abcdefghijkl")


@pytest.fixture(autouse=True)
def tones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tones instead of voices: which voice says what is tested elsewhere."""

    def say(requests: Sequence[SpeechRequest], cache_dir: Path, processes: int) -> None:
        for request in requests:
            time_s = np.arange(16_000) / 16_000
            pitch_hz = 200 + 20 * len(request.text)
            write_flac(request.path, (0.3 * np.sin(2 * np.pi * pitch_hz * time_s)).astype("f4"))

    monkeypatch.setattr(synth, "say_files", say)


def speak(job: SynthJob, out: Path, **changes: object) -> dict[str, list[object]]:
    arguments = {"resume": False, "stop": StopRequest(), "notice": lambda line: None} | changes
    return speak_lines(job, out, out / "cache", **arguments)  # type: ignore[arg-type,return-value]


def test_a_voice_that_is_not_installed_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "find_spec", lambda module: None)
    with pytest.raises(EnvironmentProblem, match=r"asr-adapt\[voices\]"):
        speak(SynthJob(LINES, VOICES, 40, "telephone", 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_can_be_trained_on(tmp_path: Path) -> None:
    speak(SynthJob(LINES, VOICES, 40, "telephone", 1), tmp_path / "out")
    train = read_manifest(tmp_path / "out/train.jsonl")
    dev = read_manifest(tmp_path / "out/dev.jsonl")
    assert (len(train), len(dev)) == (36, 4)
    assert not {u.reference for u in train} & {u.reference for u in dev}
    assert not {u.speaker for u in train} & {u.speaker for u in dev}
    assert {u.tags["channel"] for u in train} == {"clean"}
    assert {u.tags["channel"] for u in dev} == {"telephone"}
    assert all(u.context == ("Alma",) and u.duration_s == pytest.approx(1) for u in train)
    clean = dev[0].audio_path.with_name(dev[0].audio_path.name.replace(".telephone", ""))
    assert not np.array_equal(load_audio(dev[0].audio_path), load_audio(clean))


def test_lines_are_used_equally_often(tmp_path: Path) -> None:
    train, _ = split_lines(SynthJob(LINES, VOICES, 48, "none", 1))
    plans = synth.plan_part(train, tmp_path, 1)
    used = [row.reference for row, _ in plans]
    counts = {used.count(line.text) for line in train.lines}
    assert max(counts) - min(counts) <= 1
    assert len({request.path for _, request in plans}) == len(plans)


@given(st.integers(2, 30), st.integers(2, 60), st.integers(1, 4), st.integers(0, 5))
def test_dev_shares_no_line_with_training(lines: int, size: int, voices: int, seed: int) -> None:
    texts = tuple(Line(f"line {i}", "line") for i in range(lines))
    train, dev = split_lines(SynthJob(texts, VOICES[:voices], size, "none", seed))
    assert set(train.lines) | set(dev.lines) == set(texts)
    assert not set(train.lines) & set(dev.lines)
    assert train.lines
    assert dev.lines
    assert train.size + dev.size == size
    assert bool(set(train.voices) & set(dev.voices)) == (voices < 3)


def test_stopped_work_goes_on_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synth, "PIECE", 4)
    job = SynthJob(LINES, VOICES, 12, "none", 1)
    speak(job, tmp_path / "whole")
    stop = StopRequest()

    def note(done: int, total: int) -> None:
        stop.signal_name = "SIGTERM"

    with pytest.raises(Stopped):
        speak(job, tmp_path / "cut", stop=stop, progress=note)
    with pytest.raises(UsageError, match="--resume"):
        speak(job, tmp_path / "cut")
    with pytest.raises(UsageError, match="made otherwise"):
        speak(SynthJob(LINES, VOICES, 12, "none", 2), tmp_path / "cut", resume=True)
    speak(job, tmp_path / "cut", resume=True)
    for name in ("train.jsonl", "dev.jsonl"):
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_lines_hold_context_and_a_spoken_form(tmp_path: Path) -> None:
    path = tmp_path / "calls.tsv"
    path.write_text(
        "# a comment\n\nShip on 16, over.\tAlma|Elbe Pilot\nAt 10:30.\t\tAt half past ten.\n"
        "ship ON 16, over.\n"
    )
    assert read_lines(path) == [
        Line("Ship on 16, over.", "Ship on one six, over.", ("Alma", "Elbe Pilot")),
        Line("At 10:30.", "At half past ten."),
    ]


def test_a_hard_space_is_a_space(tmp_path: Path) -> None:
    (tmp_path / "calls.txt").write_text("Ship\u00a0on\u202fhold,\u3000over.\r\n", "utf-8")
    assert read_lines(tmp_path / "calls.txt") == [
        Line("Ship on hold, over.", "Ship on hold, over.")
    ]


@given(st.text())
def test_digits_never_reach_a_voice(text: str) -> None:
    assert not any(c in "0123456789" for c in spell_digits(text))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no sentence"),
        (b"# nothing\n", "no sentence"),
        (b"\xff\xfe\xff", "UTF-8"),
        (b"a\tb\tc\td\n", ":1: need text"),
        (b"one\n...\n", ":2: '...' cannot be read out"),
        (b"one\ttwo\tthree 3\n", "cannot be read out"),
        (b"word " * 100, "at most 300"),
        (b"one\x00two", "control"),
        ("one \u202etwo".encode(), "control"),
    ],
)
def test_bad_text_is_named_by_line(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "calls.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"calls\.txt") as raised:
        read_lines(tmp_path / "calls.txt")
    assert says in str(raised.value)


def refused(make: Callable[[], object]) -> bool:
    with pytest.raises((UsageError, DataError)):
        make()
    return True


def test_jobs_that_make_no_sense_are_refused() -> None:
    assert refused(lambda: SynthJob(LINES[:1], VOICES, 10, "none", 1))
    assert refused(lambda: SynthJob(LINES, VOICES, 1, "none", 1))
    assert refused(lambda: SynthJob(LINES, (), 10, "none", 1))
    assert refused(lambda: SynthJob(LINES, ("piper-joe", "piper-joe"), 10, "none", 1))
    assert refused(lambda: SynthJob(LINES, VOICES, 10, "carrier pigeon", 1))
    assert refused(lambda: split_lines(SynthJob(LINES, ("nobody",), 10, "none", 1)))


def test_the_command_says_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calls.txt").write_text("ship ahoy\nalma over\ntug tug\n")
    arguments = ["synth", "--text", tmp_path / "calls.txt", "--out", tmp_path / "out"]
    cli.main([*map(str, arguments), "--quiet"], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "train.jsonl: 5 utterances" in printed
    assert "next: asr-adapt finetune" in printed
    assert read_manifest(tmp_path / "out/dev.jsonl")
    cli.main(["synth", *map(str, arguments[1:]), "--voices", "list"], standalone_mode=False)
    assert "piper-joe" in capsys.readouterr().out


def test_voices_can_be_listed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["synth", "--voices", "list"], standalone_mode=False)
    assert "piper-joe" in capsys.readouterr().out
    cli.main(["synth", "--json", "--voices", "list"], standalone_mode=False)
    assert "piper-joe" in {voice["name"] for voice in json.loads(capsys.readouterr().out)["voices"]}
    for arguments in ([], ["--voices", "piper-joe"], ["--text", "calls.txt"]):
        with pytest.raises(click.MissingParameter):
            cli.main(["synth", *arguments], standalone_mode=False)


def test_a_mistyped_voice_leaves_nothing_that_refuses_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'foo' is unknown"):
        speak(SynthJob(LINES, ("foo",), 10, "none", 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()
