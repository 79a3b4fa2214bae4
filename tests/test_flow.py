"""Real processes and real signals: a stopped or killed run ends like one that nobody touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from asr_adapt.adapter import AdapterCard, read_card
from asr_adapt.cli import main
from asr_adapt.config import RecipeConfig, TestConfig
from asr_adapt.errors import DataError, Stopped
from asr_adapt.hypotheses import read_hypotheses
from asr_adapt.manifest import write_manifest
from asr_adapt.progress import ProgressDisplay
from asr_adapt.recipe import load_recipe_data
from asr_adapt.records import Hypothesis
from asr_adapt.stopping import StopRequest
from tests.toys import table, toy_job, toy_rows, train_toy

PATIENCE_S = 300.0  # what a busy machine may need to import torch


def begin(arguments: list[str], errors: Path, ready: Callable[[], bool], number: int) -> int:
    """Start the program, send it a signal as soon as ``ready``, and return its exit code."""
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "asr_adapt", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            # As many threads as here: sums in another order differ in the last digit.
            env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        )
        deadline = time.monotonic() + PATIENCE_S
        while not ready() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(number)
        return process.wait(timeout=PATIENCE_S)


def said(errors: Path) -> str:
    """Return what the program has said so far."""
    return errors.read_text() if errors.exists() else ""


def lines(path: Path) -> int:
    """Return how many lines a file has; 0 where there is none."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def finish(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the program to its end in this process, which has imported everything."""
    monkeypatch.setattr(sys, "argv", ["asr-adapt", *arguments])
    main()


def test_a_recipe_heeds_a_stop_while_its_sounds_are_checked(toy: Path, tmp_path: Path) -> None:
    rows = []
    for u in toy_rows(toy, "test")[:2]:
        shutil.copy(u.audio_path, tmp_path)
        rows.append(replace(u, audio_path=tmp_path / u.audio_path.name))
    write_manifest(tmp_path / "t.jsonl", rows)
    recipe = RecipeConfig("r", "R", "m", (TestConfig("t", "T", "t.jsonl"),), folder=tmp_path)
    with pytest.raises(Stopped, match="SIGTERM"):
        load_recipe_data(
            recipe, tmp_path, StopRequest(signal_name="SIGTERM"), ProgressDisplay(quiet=True)
        )


def test_a_recipe_whose_test_set_has_no_text_ends_before_training(
    toy: Path, tmp_path: Path
) -> None:
    rows = []
    for u in toy_rows(toy, "test")[:2]:
        shutil.copy(u.audio_path, tmp_path)
        rows.append(replace(u, audio_path=tmp_path / u.audio_path.name, reference=None))
    write_manifest(tmp_path / "t.jsonl", rows)
    recipe = RecipeConfig("r", "R", "m", (TestConfig("t", "T", "t.jsonl"),), folder=tmp_path)
    with pytest.raises(DataError, match=r"t\.jsonl: none of 2 utterances has a text"):
        load_recipe_data(recipe, tmp_path, StopRequest(), ProgressDisplay(quiet=True))


@pytest.mark.slow
def test_finetune_survives_every_signal(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = table(toy, tmp_path, "train", toy_rows(toy, "train"))

    def arguments(out: str) -> list[str]:
        options = ["--model", str(toy / "model"), "--out", str(tmp_path / out), "--epochs", "20"]
        return ["finetune", str(data), *options]

    finish(arguments("whole"), monkeypatch)
    whole = read_card(tmp_path / "whole")
    work = tmp_path / "out" / "training"
    errors = tmp_path / "errors"
    again = [*arguments("out"), "--resume"]
    # While data is read, before anything is written: even then --resume must work.
    code = begin(
        arguments("out"), errors, lambda: "asr-adapt starts" in said(errors), signal.SIGTERM
    )
    assert code == 75, said(errors)
    assert "--resume" in said(errors)
    # In the middle of training.
    checkpoints = work / "checkpoints"
    code = begin(again, errors, lambda: "1/120" in said(errors), signal.SIGINT)
    assert code == 75, said(errors)
    assert len(list(checkpoints.iterdir())) == 1
    # With the first candidate measured, and nothing to be said any more.
    code = begin(again, errors, lambda: lines(work / "dev_wer.jsonl") >= 1, signal.SIGKILL)
    assert code == -signal.SIGKILL, said(errors)
    assert not (tmp_path / "out" / "asr_adapt.json").exists()
    finish(again, monkeypatch)
    card = read_card(tmp_path / "out")
    assert card.weights_sha256 == whole.weights_sha256
    assert card.dev_wer == whole.dev_wer
    assert card.chosen_step == whole.chosen_step
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        p.name for p in (tmp_path / "whole").iterdir()
    }


def texts(run: Path) -> list[Hypothesis]:
    """Return the hypotheses of a run without their times, sorted."""
    rows = read_hypotheses(run / "sets" / "test" / "hypotheses.jsonl")
    return sorted(
        (replace(row, decode_s=0.0) for row in rows), key=lambda r: (r.utterance_id, r.arm)
    )


@pytest.mark.slow
def test_eval_survives_every_signal(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card: AdapterCard = train_toy(toy, toy_job(toy), tmp_path / "adapter")
    data = table(toy, tmp_path, "test", toy_rows(toy, "test"))

    def arguments(out: str) -> list[str]:
        adapter = ["--adapter", str(tmp_path / "adapter"), "--out", str(tmp_path / out)]
        return ["eval", str(data), "--model", str(toy / "model"), "--batch-size", "1", *adapter]

    finish(arguments("whole"), monkeypatch)
    assert card.weights_sha256 in (tmp_path / "whole" / "run.json").read_text()
    log = tmp_path / "out" / "sets" / "test" / "hypotheses.jsonl"
    errors = tmp_path / "errors"
    again = [*arguments("out"), "--resume"]
    code = begin(arguments("out"), errors, lambda: lines(log) >= 3, signal.SIGTERM)
    assert code == 75, said(errors)
    code = begin(again, errors, lambda: lines(log) >= 12, signal.SIGINT)
    assert code == 75, said(errors)
    code = begin(again, errors, lambda: lines(log) >= 40, signal.SIGKILL)
    assert code == -signal.SIGKILL, said(errors)
    assert lines(log) < 64
    finish(again, monkeypatch)
    assert texts(tmp_path / "out") == texts(tmp_path / "whole")
    assert (tmp_path / "out" / "report.json").exists()


@pytest.mark.slow
def test_the_toy_recipe_runs_and_a_second_run_does_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Path(__file__).resolve().parent.parent / "recipes" / "toy" / "recipe.toml"
    arguments = [
        "run",
        str(recipe),
        "--out",
        str(tmp_path / "run"),
        "--data",
        str(tmp_path / "data"),
    ]
    finish(arguments, monkeypatch)
    kept = [
        tmp_path / "run" / "adapter" / "model.safetensors",
        tmp_path / "run" / "sets" / "tones" / "hypotheses.jsonl",
        tmp_path / "data" / "toy" / "test.jsonl",
    ]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in kept]
    finish(arguments, monkeypatch)
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in kept] == before
