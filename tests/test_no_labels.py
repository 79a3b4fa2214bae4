"""`pseudo` and `pick` from recordings to files, on tones and a toy model that reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from asr_adapt.cli import cli
from asr_adapt.decode import ArmPlan
from asr_adapt.errors import DataError, Stopped, UsageError
from asr_adapt.hypotheses import HypothesisLog
from asr_adapt.manifest import load_data, read_manifest, write_manifest
from asr_adapt.model import SpeechModel
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.settings import DecodeSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.unlabelled import views
from asr_adapt.unlabelled.views import VIEWS, View, ViewJob, decode_and_vote, faster, later, noisier
from tests.toys import toy_job, toy_rows, toy_weights, train_toy

Arguments = list[object]


@pytest.fixture(scope="module")
def adapter(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of a few steps; what it writes is nothing to read."""
    folder = tmp_path_factory.mktemp("trained") / "lora"
    train_toy(toy, toy_job(toy), folder)
    return folder


@pytest.fixture
def readers(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decodings that read the tones: all agree but on the noisy view of the first clip."""
    said = {u.utterance_id: u.reference or "" for u in toy_rows(toy, "test")}

    def read(
        model: SpeechModel,
        batch: Sequence[Utterance],
        view: View,
        arms: Sequence[ArmPlan],
        settings: DecodeSettings,
        log: HypothesisLog,
    ) -> None:
        for u, arm in product(batch, arms):
            unsure = view.name == "noisier" and u.utterance_id == "test-000"
            text = "something else" if unsure else said[u.utterance_id]
            log.append([Hypothesis(u.utterance_id, arm.name, text, avg_logprob=-0.1)])

    monkeypatch.setattr(views, "decode_view", read)


@pytest.fixture
def data(toy: Path, tmp_path: Path) -> Path:
    """Six clips without text and two with."""
    rows = toy_rows(toy, "test")[:8]
    write_manifest(
        tmp_path / "data.jsonl", [replace(u, reference=None) for u in rows[:6]] + rows[6:]
    )
    return tmp_path / "data.jsonl"


def run(command: str, *arguments: object) -> None:
    cli.main([command, *map(str, arguments), "--quiet"], standalone_mode=False)


def options(toy: Path, data: Path) -> Arguments:
    return [data, "--model", toy / "model", "--allow-outside", "--normaliser", "raw"]


def test_pseudo_labels_what_has_no_text(
    readers: None, toy: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = [*options(toy, data), "--out", out, "--min-confidence", 0.8]
    run("pseudo", *arguments)
    assert "next: asr-adapt finetune" in capsys.readouterr().out
    said = {u.utterance_id: u.reference for u in toy_rows(toy, "test")[:6]}
    kept = read_manifest(out / "train.jsonl", allow_outside=True)
    assert {u.utterance_id: u.reference for u in kept} == {
        name: text for name, text in said.items() if name != "test-000"
    }
    review = load_data(out / "review.csv", allow_outside=True).usable()
    assert review[0].utterance_id == "test-000"
    assert {u.utterance_id: u.reference for u in review} == said
    record = json.loads((out / "pseudo.json").read_text())
    assert record["reasons"] == {"kept": 5, "doubtful": 1}
    logged = (out / "hypotheses.jsonl").read_text()
    assert len(logged.splitlines()) == 6 * len(VIEWS) * 2

    with pytest.raises(UsageError, match="--resume"):
        run("pseudo", *arguments)
    with pytest.raises(DataError, match="--min-confidence"):
        run("pseudo", *arguments[:-1], 1, "--resume")
    with pytest.raises(UsageError, match="another 'batch_size'"):
        run("pseudo", *arguments, "--resume", "--batch-size", 4)
    assert (out / "hypotheses.jsonl").read_text() == logged
    (out / "review.csv").write_text(corrected := (out / "review.csv").read_text() + "\n")
    with pytest.raises(UsageError, match=r"review\.csv: is there already"):
        run("pseudo", *arguments, "--resume")
    assert (out / "review.csv").read_text() == corrected


def test_pick_writes_a_table_to_correct(
    readers: None, toy: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("ship\nmast\n")
    arguments = [*options(toy, data), "--bias", tmp_path / "words.txt"]
    run("pick", *arguments, "--count", 3, "--out", tmp_path / "picks.csv")
    picked = load_data(tmp_path / "picks.csv", allow_outside=True).usable()
    assert len(picked) == 3
    assert picked[0].utterance_id == "test-000"
    assert all("doubt" in u.tags["reason"] for u in picked)
    run("pick", *arguments, "--count", 9, "--out", tmp_path / "picks.csv", "--resume")
    more = load_data(tmp_path / "picks.csv", allow_outside=True).usable()
    assert more[:3] == picked
    assert len(more) == 6
    (tmp_path / "picks.csv").write_text("audio,text\na.wav,corrected\n")
    with pytest.raises(UsageError, match=r"picks\.csv: is there already"):
        run("pick", *arguments, "--out", tmp_path / "picks.csv", "--resume")
    assert "corrected" in (tmp_path / "picks.csv").read_text()


def test_stopped_work_goes_on_to_the_same_votes(toy: Path, adapter: Path, tmp_path: Path) -> None:
    job = ViewJob(toy_rows(toy, "test")[:5], toy_weights(toy), adapter, normaliser="raw")
    whole = decode_and_vote(job, tmp_path / "whole", resume=False, stop=StopRequest())
    stop = StopRequest()

    def stop_soon(done: int, total: int) -> None:
        if done >= total // 3:
            stop.signal_name = "SIGTERM"

    with pytest.raises(Stopped):
        decode_and_vote(job, tmp_path / "cut", resume=False, stop=stop, progress=stop_soon)
    cut = decode_and_vote(job, tmp_path / "cut", resume=True, stop=StopRequest())
    assert [v.text for v in cut] == [v.text for v in whole]
    assert [v.confidence for v in cut] == pytest.approx([v.confidence for v in whole])


@pytest.mark.parametrize("resume", [False, True])
def test_decodings_without_a_record_do_not_vote(resume: bool, toy: Path, tmp_path: Path) -> None:
    job = ViewJob(toy_rows(toy, "test")[:2], toy_weights(toy), normaliser="raw")
    log = HypothesisLog(tmp_path / "hypotheses.jsonl")
    log.append([Hypothesis(job.utterances[0].utterance_id, "base@plain", "of another model")])
    with pytest.raises(UsageError, match=r"hypotheses\.jsonl: .*no decodings\.json.*delete"):
        decode_and_vote(job, tmp_path, resume=resume, stop=StopRequest())
    assert not (tmp_path / "decodings.json").exists()


def test_a_torn_sound_fails_its_clip_alone(toy: Path, tmp_path: Path) -> None:
    rows = toy_rows(toy, "test")[:3]
    torn = tmp_path / "torn.flac"
    torn.write_bytes(rows[1].audio_path.read_bytes()[:500])
    job = ViewJob(
        [rows[0], replace(rows[1], audio_path=torn), rows[2]],
        toy_weights(toy),
        normaliser="raw",
    )
    votes = decode_and_vote(job, tmp_path / "out", resume=False, stop=StopRequest())
    assert [v.error is not None for v in votes] == [False, True, False]


def test_data_with_text_throughout_is_refused(toy: Path, tmp_path: Path) -> None:
    for command in ("pseudo", "pick"):
        with pytest.raises(DataError, match="have a text"):
            run(
                *(command, toy / "test.jsonl", "--model", toy / "model"),
                *("--out", tmp_path / "out"),
            )
    assert not list(tmp_path.iterdir())


def test_views_keep_what_is_said() -> None:
    rng = np.random.default_rng(1)
    time_s = np.arange(16_000) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)
    quick = faster(tone, rng)
    peak_hz = np.argmax(np.abs(np.fft.rfft(quick))) * 16_000 / len(quick)
    assert peak_hz == pytest.approx(1080, abs=2)
    assert len(tone) / len(quick) == pytest.approx(1.08, abs=1e-3)
    assert np.sqrt(np.mean(quick**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=0.02)
    late = later(tone, rng)
    assert np.array_equal(late[-len(tone) :], tone)
    assert not late[: -len(tone)].any()
    assert len(later(np.ones(30 * 16_000, np.float32), rng)) == 30 * 16_000
    noise = noisier(tone, rng) - tone
    ratio_db = 20 * np.log10(np.sqrt(np.mean(tone**2)) / np.sqrt(np.mean(noise**2)))
    assert ratio_db == pytest.approx(20, abs=0.2)
    assert not noisier(np.zeros(100, np.float32), rng).any()
