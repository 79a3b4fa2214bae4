"""Sets in which nobody speaks: clips without a voice, and reports of the words made up in them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from rich.console import Console

from asr_adapt.audio import load_audio
from asr_adapt.channel.microphone import SILENCE_RMS
from asr_adapt.manifest import write_manifest
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.reporting import build, words
from asr_adapt.reporting.console import render_table
from asr_adapt.reporting.results import Report
from asr_adapt.reporting.signs import next_steps
from asr_adapt.reporting.silence import made_up, silence_changes
from asr_adapt.spoken_calls.silence import KINDS, background, make_silence, shut
from asr_adapt.voice_activity import VoiceSettings, find_speech

SCHEMA = json.loads((Path(build.__file__).parent / "report.schema.json").read_text())
RADIOS = {"vhf": (5.0, 25.0), "am": (8.0, 28.0), "nbfm": (5.0, 25.0)}


def make(folder: Path, channel: str, count: int, seed: int = 1) -> list[Utterance]:
    return make_silence(
        (channel, RADIOS[channel]), "silence", count, folder, (seed, 2), lambda *_: None
    )


def level_db(row: Utterance) -> float:
    return 10 * float(np.log10(np.square(load_audio(row.audio_path)).mean() + 1e-12))


@pytest.mark.parametrize("channel", RADIOS)
def test_nobody_speaks_in_any_kind(channel: str, tmp_path: Path) -> None:
    rows = make(tmp_path, channel, 6)
    assert [row.tags["kind"] for row in rows] == [*KINDS, *KINDS]
    for row in rows:
        assert row.reference == ""
        assert row.context == ()
        assert row.tags["channel"] == channel
        assert 2 <= row.duration_s <= 10
        assert find_speech(row.audio_path, VoiceSettings()) == []
    for noise, carrier in zip(rows[0::3], rows[1::3], strict=True):
        assert level_db(noise) > level_db(carrier)
        assert float(noise.tags["cnr_db"]) <= -10 < float(carrier.tags["cnr_db"])


def test_the_same_seed_gives_the_same_clips(tmp_path: Path) -> None:
    one, two = (make(tmp_path / name, "vhf", 3) for name in ("one", "two"))
    other = make(tmp_path / "one", "vhf", 3, seed=2)
    for a, b, c in zip(one, two, other, strict=True):
        assert replace(a, audio_path=Path()) == replace(b, audio_path=Path())
        assert a.audio_path.read_bytes() == b.audio_path.read_bytes()
        assert a.audio_path != c.audio_path
    fewer = make(tmp_path / "one", "vhf", 2)
    assert fewer == one[:2]


def test_a_microphone_without_a_voice_is_below_what_counts_as_one() -> None:
    for seed in range(10):
        sound = background(16001, np.random.default_rng(seed))
        assert sound.shape == (16001,)
        assert sound.dtype == np.float32
        assert 0 < float(np.sqrt(np.square(sound).mean())) < 1.5 * SILENCE_RMS


def test_a_closed_squelch_leaves_little() -> None:
    loud = np.ones(16000 * 5, np.float32)
    for seed in range(20):
        left = shut(loud, np.random.default_rng(seed))
        assert np.count_nonzero(np.abs(left) > 0.1) <= 3 * 0.4 * 16000


# --- reports ------------------------------------------------------------------------------------


def write_set(
    run: Path, name: str, said: str, heard: Mapping[str, str], count: int
) -> dict[str, Any]:
    folder = run / "sets" / name
    folder.mkdir(parents=True)
    rows = [
        Utterance(
            f"{name}-{i}", run / f"{i}.wav", 0.0, 6.0, said, tags={"cnr_db": str(i), "kind": "k"}
        )
        for i in range(count)
    ]
    write_manifest(folder / "manifest.jsonl", rows)
    lines = [
        json.dumps(Hypothesis(row.utterance_id, arm, text if i % 2 else said).to_json())
        for arm, text in heard.items()
        for i, row in enumerate(rows)
    ]
    (folder / "hypotheses.jsonl").write_text("\n".join(lines) + "\n")
    return {
        "name": name,
        "role": "silence" if not said else "domain",
        "title": f"the set {name}",
        "manifest": f"sets/{name}/manifest.jsonl",
        "hypotheses": f"sets/{name}/hypotheses.jsonl",
    }


def report_of(folder: Path, silence: Mapping[str, str], count: int = 20) -> Report:
    """Build the report of calls and of a set in which every other clip gives some words."""
    run = folder / "run"
    calls = {"base": "all hips", "lora": "all ships", "lora+bias": "all ships"}
    record = {
        "kind": "asr-adapt run",
        "normaliser": "spoken-en",
        "model": {"name": "m"},
        "adapter": {"minutes_of_labels": 3.0},
        "sets": [
            write_set(run, "calls", "all ships", calls, 20),
            write_set(run, "quiet", "", silence, count),
        ],
    }
    (run / "run.json").write_text(json.dumps(record))
    return build.build_report([run], folder / "out")


def test_words_made_up_are_told_by_the_minute(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"base": "thank you very much", "lora": "you"})
    part = report.sets[1]
    base, lora = made_up(part)
    assert (base.words, base.clips, base.minutes, base.per_minute) == (40, 10, 2.0, 20.0)
    assert lora.per_minute == pytest.approx(5.0)
    assert base.ci95 is not None
    assert base.ci95[0] < 20 < base.ci95[1]
    change = silence_changes(part)[0]
    assert change.difference == pytest.approx(-15)
    assert change.ci95 is not None
    # Sums over the same draws: a quarter of the words makes a quarter of the bounds.
    assert change.ci95 == pytest.approx([-0.75 * bound for bound in reversed(base.ci95)])
    (step,) = words.about_set(part)
    assert step.verdict == "better"
    said = "“as it comes” and “fine-tuned” hear 20.0 and 5.0 words a minute (\u221215.0, "
    assert said in step.text

    content = json.loads((tmp_path / "out" / "report.json").read_text())
    jsonschema.validate(content, SCHEMA)
    quiet = content["sets"][1]
    assert quiet["role"] == "silence"
    assert [arm["wer"] for arm in quiet["arms"]] == [None, None]
    assert [arm["silence_words_per_minute"] for arm in quiet["arms"]] == [20.0, 5.0]
    assert quiet["arms"][0]["silence_words_per_minute_ci95"] == list(base.ci95)
    page = (tmp_path / "out" / "report.html").read_text()
    further, trust = page.split('<section id="trust">')
    assert step.text in further
    assert step.text in trust
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "| base | 20.0 |" in markdown
    assert step.text in markdown
    listed = (tmp_path / "out" / "errors.txt").read_text()
    assert "# apart from these, 40 words in 20 utterances in which nobody speaks" in listed
    assert "quiet-1:\tnobody speaks: (*->thank) (*->you) (*->very) (*->much)" in listed
    output = io.StringIO()
    Console(width=100, file=output).print(render_table(report))
    shown = output.getvalue()
    assert "words/min" in shown
    assert "the set quiet" in shown


def test_the_best_arm_is_advised_by_what_it_makes_up_untold(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"base": "you", "lora": "thank you"})
    assert report.primary.best is not None
    assert report.primary.best.arm == "lora"
    assert "silence" in [each.about for each in next_steps(report)]


def test_an_arm_that_makes_nothing_up_has_no_interval(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"base": "", "lora": ""})
    assert [(each.per_minute, each.ci95) for each in made_up(report.sets[1])] == [(0.0, None)] * 2
    (step,) = words.about_set(report.sets[1])
    assert step.verdict == "unclear"
    assert step.text.endswith("hear no word.")


def test_few_clips_have_no_interval_and_no_verdict(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"base": "thank you", "lora": ""}, count=4)
    assert all(each.ci95 is None for each in made_up(report.sets[1]))
    (step,) = words.about_set(report.sets[1])
    assert step.verdict == "unclear"
    assert "interval" not in step.text


def test_without_a_tuned_arm_there_is_a_table_and_no_sentence(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"base": "thank you"})
    assert words.about_set(report.sets[1]) == []
    assert len(made_up(report.sets[1])) == 1


def test_where_somebody_speaks_nothing_is_made_up(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"base": "thank you", "lora": ""})
    assert made_up(report.primary) == ()
    assert silence_changes(report.primary) == ()
