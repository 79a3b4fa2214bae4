"""Averaged weights: the mean of the last candidates, kept only if dev says so, resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from asr_adapt.adapter import AdapterCard, read_card
from asr_adapt.decode import decode_arms
from asr_adapt.errors import DataError, Stopped, UsageError
from asr_adapt.model import with_adapter
from asr_adapt.settings import LoraSettings, TrainSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training import selection
from asr_adapt.training.averaging import average_changes, average_weights
from asr_adapt.training.callbacks import TrainStatus
from asr_adapt.training.strength import WordErrors
from asr_adapt.training.train import member_seed
from asr_adapt.training.train_job import TrainJob
from tests.toys import as_errors, toy_base, toy_job, train_toy, with_settings

WEIGHTS = "adapter_model.safetensors"


def candidate(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    save_file(tensors, folder / WEIGHTS)
    (folder / "adapter_config.json").write_text(f'{{"r": "{folder.name}"}}')
    return folder


def matrix(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_each_tensor_is_the_mean(tmp_path: Path) -> None:
    folders = [
        candidate(tmp_path / str(i), a=matrix(i, 3, 5), b=matrix(9 + i, 4)) for i in range(3)
    ]
    average_weights(folders, tmp_path / "out")
    found = load_file(tmp_path / "out" / WEIGHTS)
    for name in ("a", "b"):
        parts = [load_file(folder / WEIGHTS)[name].astype(np.float64) for folder in folders]
        np.testing.assert_array_equal(found[name], np.mean(parts, axis=0).astype(np.float32))
    assert (tmp_path / "out/adapter_config.json").read_text() == '{"r": "2"}'
    before = (tmp_path / "out" / WEIGHTS).read_bytes()
    average_weights(folders, tmp_path / "out")
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == before


def test_neighbours_lose_little_by_averaging_both_factors(tmp_path: Path) -> None:
    """Halving the distance of candidates quarters what mean(B) mean(A) lacks of mean(BA)."""
    lacking = []
    for distance in (0.2, 0.1):
        folders, products = [], []
        for sign in (-1, 1):
            a = matrix(1, 4, 6) + sign * distance * matrix(2, 4, 6)
            b = matrix(3, 5, 4) + sign * distance * matrix(4, 5, 4)
            folders.append(candidate(tmp_path / f"{distance}{sign}", a=a, b=b))
            products.append(b @ a)
        average_weights(folders, tmp_path / "out")
        found = load_file(tmp_path / "out" / WEIGHTS)
        mean = (sum(products) / 2).numpy()  # type: ignore[union-attr]  # not the int 0
        lacking.append(float(np.abs(found["b"] @ found["a"] - mean).max()))
    assert lacking[1] == pytest.approx(lacking[0] / 4, rel=1e-3)


def test_the_mean_of_changes_is_exact_however_far_apart(tmp_path: Path) -> None:
    folders, products = [], []
    for i in range(3):
        a, b = matrix(i, 4, 6), matrix(9 + i, 5, 4)
        folder = candidate(tmp_path / str(i), **{"q.lora_A": a, "q.lora_B": b})
        (folder / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 8}')
        folders.append(folder)
        products.append((8 / 4) * b.double() @ a.double())
    for _ in range(2):
        average_changes(folders, tmp_path / "out")
        config = json.loads((tmp_path / "out/adapter_config.json").read_text())
        found = load_file(tmp_path / "out" / WEIGHTS)
        a, b = (found[f"q.lora_{each}"].astype(np.float64) for each in "AB")
        mean = (sum(products) / 3).numpy()  # type: ignore[union-attr]  # not the int 0
        np.testing.assert_allclose(config["lora_alpha"] / config["r"] * b @ a, mean, rtol=1e-12)
        (tmp_path / "out" / "dev-1.jsonl").touch()  # what was decoded of it stays
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "adapter_config.json",
        WEIGHTS,
        "dev-1.jsonl",
    ]


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    one = candidate(tmp_path / "one", a=matrix(1, 2, 3))
    for name, tensors in (("two", {"a": matrix(1, 3, 2)}), ("three", {"z": matrix(1, 2, 3)})):
        other = candidate(tmp_path / name, **tensors)
        for average in (average_weights, average_changes):
            with pytest.raises(DataError, match=rf"{name}: its tensors"):
                average([one, other], tmp_path / "out")


def averaging(toy: Path) -> TrainJob:
    job = toy_job(toy)
    return with_settings(job, replace(job.settings, average_last=2))


def judge(monkeypatch: pytest.MonkeyPatch, wer: float) -> None:
    """Let dev find this error rate for averaged weights."""
    decode: Callable[..., WordErrors] = selection.word_errors

    def judged(model: Any, dev: Any, job: TrainJob, log: Path, stop: StopRequest) -> WordErrors:
        found = decode(model, dev, job, log, stop)
        return as_errors(wer, dev) if log.parent.name == "candidate-average" else found

    monkeypatch.setattr(selection, "word_errors", judged)


@pytest.fixture(scope="module")
def plain(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> AdapterCard:
    """The adapter without averaging."""
    return train_toy(toy, toy_job(toy), tmp_path_factory.mktemp("plain") / "out")


def test_an_average_that_dev_likes_is_published(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: AdapterCard
) -> None:
    seen: list[dict[str, Any]] = []

    def watched(candidates: Sequence[Path], out: Path) -> None:
        seen.extend(load_file(folder / WEIGHTS) for folder in candidates)
        average_weights(candidates, out)

    monkeypatch.setattr(selection, "average_weights", watched)
    judge(monkeypatch, -1.0)
    card = train_toy(toy, averaging(toy), tmp_path / "out")
    assert card.averaged == {"steps": [4, 8], "wer": -1.0, "chosen": True}
    assert card.chosen_step == 8
    assert card.dev_wer == plain.dev_wer
    assert read_card(tmp_path / "out") == card
    found = load_file(tmp_path / "out" / WEIGHTS)
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor, (seen[0][name] + seen[1][name]) / 2, atol=1e-7)
    assert with_adapter(toy_base(toy), tmp_path / "out").card == card


def test_an_average_that_is_no_better_is_not_kept(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: AdapterCard
) -> None:
    judge(monkeypatch, min(row["wer"] for row in plain.dev_wer))
    card = train_toy(toy, averaging(toy), tmp_path / "out")
    assert card.averaged is not None
    assert not card.averaged["chosen"]
    assert card.weights_sha256 == plain.weights_sha256
    assert card.strength_wer == plain.strength_wer


@pytest.mark.parametrize("decoding", [1, 3, 4])
def test_a_stopped_run_averages_the_same(
    decoding: int, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while the first candidate, the average or a strength is measured."""
    judge(monkeypatch, -1.0)
    whole = train_toy(toy, averaging(toy), tmp_path / "whole")
    stop, calls = StopRequest(), 0

    def stopping(*arguments: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == decoding:
            stop.signal_name = "SIGTERM"
        decode_arms(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(selection, "decode_arms", stopping)
        with pytest.raises(Stopped):
            train_toy(toy, averaging(toy), tmp_path / "out", stop=stop)
    card = train_toy(toy, averaging(toy), tmp_path / "out", resume=True)
    # The seconds are other ones; so is a logged loss, a mean over steps of which some are gone.
    assert replace(card, training_s=0, training_curve=()) == replace(
        whole, training_s=0, training_curve=()
    )
    assert read_card(tmp_path / "out") == card


def with_members(toy: Path) -> TrainJob:
    job = toy_job(toy)
    return with_settings(job, replace(job.settings, members=2))


@pytest.fixture(scope="module")
def both(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AdapterCard, Path]:
    """The mean of two members, and its folder."""
    out = tmp_path_factory.mktemp("both") / "out"
    return train_toy(toy, with_members(toy), out), out


def test_members_are_plain_runs_and_their_mean_is_kept(
    toy: Path, tmp_path: Path, both: tuple[AdapterCard, Path]
) -> None:
    card, out = both
    parts = []
    for number in range(2):
        job = toy_job(toy)
        job = replace(job, seed=member_seed(job.seed, number))
        parts.append(train_toy(toy, job, tmp_path / str(number)))
    average_changes([tmp_path / "0", tmp_path / "1"], tmp_path / "mean")
    assert (tmp_path / "mean" / WEIGHTS).read_bytes() == (out / WEIGHTS).read_bytes()
    assert card.steps == 16
    assert card.trainable_parameters == 2 * parts[0].trainable_parameters
    assert card.averaged is not None
    assert card.averaged["steps"] == [parts[0].chosen_step, 8 + parts[1].chosen_step]
    assert card.averaged["chosen"]
    assert [row["wer"] for row in card.dev_wer] == [r["wer"] for p in parts for r in p.dev_wer]
    assert [row["step"] for row in card.dev_wer] == [4, 8, 12, 16]
    assert card.strength_wer[0]["wer"] == card.averaged["wer"]
    assert read_card(out) == card
    merged = [
        with_adapter(toy_base(toy), folder, 1.0).whisper.state_dict()
        for folder in (out, tmp_path / "0", tmp_path / "1")
    ]
    for name, tensor in merged[0].items():
        torch.testing.assert_close(tensor, (merged[1][name] + merged[2][name]) / 2)


@pytest.mark.parametrize("step", [3, 8, 10, 16])
def test_stopped_members_end_like_unbroken_ones(
    step: int, toy: Path, tmp_path: Path, both: tuple[AdapterCard, Path]
) -> None:
    job, stop, seen = with_members(toy), StopRequest(), list[int]()

    def observe(status: TrainStatus) -> None:
        assert status.steps == 16
        seen.append(status.step)
        if status.step == step:
            stop.signal_name = "SIGTERM"

    with pytest.raises(Stopped):
        train_toy(toy, job, tmp_path / "out", stop=stop, observer=observe)
    card = train_toy(
        toy, job, tmp_path / "out", resume=True, observer=lambda s: seen.append(s.step)
    )
    assert seen == list(range(1, 17))
    assert replace(card, training_s=0, training_curve=()) == replace(
        both[0], training_s=0, training_curve=()
    )


def test_members_are_plain_lora() -> None:
    for settings in ({"method": "full"}, {"lora": LoraSettings(variant="dora")}):
        with pytest.raises(UsageError, match="members"):
            TrainSettings(members=2, **settings)
    with pytest.raises(UsageError, match="members"):
        TrainSettings(members=0)


def test_what_cannot_be_averaged_is_refused() -> None:
    for wrong in (1, 6, -1):
        with pytest.raises(UsageError, match="average_last"):
            TrainSettings(average_last=wrong, evaluations=5)
    with pytest.raises(UsageError, match="only LoRA"):
        TrainSettings(average_last=2, method="full")


def test_cards_from_before_averaging_are_read(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = train_toy(toy, toy_job(toy), tmp_path / "out")
    path = tmp_path / "out" / "asr_adapt.json"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"averaged"' not in line))
    assert '"averaged"' not in path.read_text()
    assert read_card(tmp_path / "out") == card
