"""Toy models and jobs that several tests train and decode: seconds each, no network."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch

from asr_adapt.adapter import AdapterCard
from asr_adapt.base_weights.weights import ResolvedWeights, resolve_weights
from asr_adapt.manifest import read_manifest
from asr_adapt.model import SpeechModel, load_base
from asr_adapt.records import Utterance
from asr_adapt.settings import LoraSettings, PromptSettings, TrainSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.callbacks import Observer
from asr_adapt.training.strength import WordErrors
from asr_adapt.training.train import ProgressFor, finetune
from asr_adapt.training.train_job import TrainJob

CPU = torch.device("cpu")


TOY_FULL = TrainSettings(
    method="full",
    epochs=8,
    learning_rate=3e-3,
    evaluations=1,
    window_least_frames=0,
    silence_share=0,
)
"""A few passes after which the toy writes something."""


def toy_weights(toy: Path) -> ResolvedWeights:
    """Return the toy's weights, ready to load."""
    return resolve_weights(str(toy / "model"))


def toy_base(toy: Path) -> SpeechModel:
    """Load the toy's base model afresh: training changes it in place."""
    return load_base(toy_weights(toy), CPU)


def toy_rows(toy: Path, split: str) -> list[Utterance]:
    """Read the utterances of ``train``, ``dev`` or ``test``."""
    return read_manifest(toy / f"{split}.jsonl")


def toy_job(toy: Path, method: str = "lora") -> TrainJob:
    """Return a job of 8 steps with two evaluations, and dropout, which draws at every step."""
    settings = TrainSettings(
        method=method,
        epochs=2,
        batch_size=4,
        evaluations=2,
        dev_limit=4,
        window_least_frames=0,
        silence_share=0,
        lora=LoraSettings(dropout=0.05),
    )
    return TrainJob(
        train=toy_rows(toy, "train")[:16],
        dev=toy_rows(toy, "dev"),
        settings=settings,
        prompts=PromptSettings(),
        normaliser="raw",
        seed=1,
    )


def with_settings(job: TrainJob, settings: TrainSettings) -> TrainJob:
    """Return the job with other settings."""
    return replace(job, settings=settings)


def train_toy(
    toy: Path,
    job: TrainJob,
    out: Path,
    *,
    resume: bool = False,
    stop: StopRequest | None = None,
    observer: Observer | None = None,
    progress_for: ProgressFor | None = None,
) -> AdapterCard:
    """Train a toy job on a fresh base model."""
    return finetune(
        toy_base(toy),
        job,
        out,
        resume=resume,
        stop=stop or StopRequest(),
        observer=observer,
        progress_for=progress_for,
    )


def as_errors(wer: float, utterances: Sequence[Utterance]) -> WordErrors:
    """Return errors with just this rate, all on the first utterance, so that nothing is chance."""
    rate, others = Fraction(wer).limit_denominator(10_000), (0,) * (len(utterances) - 1)
    return WordErrors((rate.numerator, *others), (rate.denominator, *others))


def write_csv(path: Path, utterances: Sequence[Utterance], columns: Sequence[str] = ()) -> Path:
    """Write utterances as a user's CSV: audio, text and speaker, and more columns from tags."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["audio", "text", "speaker", "context", *columns])
        for u in utterances:
            extra = [u.tags.get(name, "") for name in columns]
            table.writerow(
                [u.audio_path, u.reference or "", u.speaker, "|".join(u.context), *extra]
            )
    return path


def table(toy: Path, folder: Path, split: str, rows: Sequence[Utterance] = ()) -> Path:
    """Write a user's own CSV with its clips beside it: the rows, or the first 16 of a split."""
    local = []
    for u in rows or toy_rows(toy, split)[:16]:
        clip = folder / "clips" / u.audio_path.name
        clip.parent.mkdir(exist_ok=True)
        if not clip.exists():
            clip.write_bytes(u.audio_path.read_bytes())
        local.append(replace(u, audio_path=Path("clips") / u.audio_path.name))
    return write_csv(folder / f"{split}.csv", local)
