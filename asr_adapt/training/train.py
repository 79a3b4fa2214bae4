"""Training: utterances and a base model to an adapter folder.

transformers' Trainer runs the loop. What is ours: the trimmed window, batches planned ahead,
checkpoints that cannot be torn, and the choice of the step by decoded dev WER. Test data never
comes here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asr_adapt.adapter import AdapterCard, weight_file, write_card
from asr_adapt.environment import package_versions
from asr_adapt.errors import DataError, UsageError
from asr_adapt.files import file_sha256, write_whole
from asr_adapt.model import SpeechModel, refuse_languages
from asr_adapt.records import Utterance
from asr_adapt.splits import fingerprint
from asr_adapt.stopping import StopRequest
from asr_adapt.training import checkpoints
from asr_adapt.training.callbacks import Observer, StopAtStep, TrainingClock, Watch
from asr_adapt.training.dataset import (
    SoftText,
    check_references,
    label_minutes,
    phrases_said,
    plan_batches,
)
from asr_adapt.training.dev import count_words, dev_sets
from asr_adapt.training.quiet import quiet_clips, quiet_count
from asr_adapt.training.selection import Candidate, DevMeasure, DevSelection
from asr_adapt.training.strength import best_strength
from asr_adapt.training.teacher import teach
from asr_adapt.training.train_job import TrainJob, data_digests, job_identity
from asr_adapt.training.trainer import build_trainer, check_device, trainable, training_batches

ProgressFor = Callable[[str], Callable[[int, int], None]]
"""Starts a progress line with a title and returns what is called with (done, total)."""


def finetune(
    base: SpeechModel,
    job: TrainJob,
    out_dir: Path,
    *,
    resume: bool,
    stop: StopRequest,
    observer: Observer | None = None,
    notice: Callable[[str], None] | None = None,
    progress_for: ProgressFor | None = None,
) -> AdapterCard:
    """Train on ``job`` and write the adapter into ``out_dir``.

    Args:
        base: the untuned model; changed in place.
        job: data and settings.
        out_dir: gets the adapter; checkpoints lie in ``training/`` until it is done.
        resume: go on from the newest whole checkpoint.
        stop: a signal ends training after the current step, with a checkpoint.
        observer: told after each logged step.
        notice: told in words what happens once, such as a skipped checkpoint.
        progress_for: starts a progress line: the base model's pass over general speech, the
            measuring of strengths.

    Raises:
        DataError: references that are missing or too long, no dev data, no whole checkpoint.
        UsageError: ``out_dir`` holds another run.
        Stopped: a signal came; ``resume`` goes on.
    """
    if not job.dev:
        raise DataError("no dev utterances: the best step cannot be chosen without them")
    check_device(base.device)
    generation = base.whisper.generation_config
    refuse_languages(generation, base.name, [*job.train, *job.dev, *job.general])
    check_references([*job.train, *job.dev], base)
    check_dev_words(job)
    work = out_dir / "training"
    notice = notice or (lambda _: None)
    prepare_work(work, job, base, resume, notice)
    general = teach(
        base,
        job.general,
        job.train,
        job.settings.replay,
        job.seed,
        stop=stop,
        notice=notice,
        progress=progress_for("listening to general speech")
        if job.general and progress_for
        else None,
    )
    count = quiet_count(job.settings.silence_share, len(job.train))
    quiet = quiet_clips(job.train, count, work / "quiet", (job.seed, 6))
    rows = [*job.train, *general.replay, *quiet]
    soft = [*(None for _ in job.train), *general.soft, *(None for _ in quiet)]
    hears_silence = any(row.reference == "" for row in rows)
    as_used = replace(base, window=job.settings.window, hears_silence=hears_silence)
    measure = DevMeasure(base, as_used, job, dev_sets(job, general.dev, work), stop)
    clock = TrainingClock(work / "seconds.json")
    course = Course(measure, rows, soft, clock, work, resume)
    try:
        trained = [
            train_member(course, number, observer, notice) for number in range(job.settings.members)
        ]
        best, averaged = kept(course, trained)
        strengths = measure.strengths(
            best,
            progress_for("measuring strengths of the adapter")
            if job.settings.has_strengths and progress_for
            else None,
        )
    finally:
        clock.note()
    card = make_card(course, trained, best, averaged, strengths)
    publish(best.folder, out_dir, card)
    shutil.rmtree(work)
    return card


@dataclass(frozen=True, slots=True)
class Course:
    """What all members of a run are trained with.

    Attributes:
        measure: what they are measured on; knows the base and the job.
        rows: labelled speech, general speech and clips in which nobody speaks.
        soft: what else the text of each row might be.
        clock: adds up the time of all of them.
        work: where candidates and checkpoints lie, of further members in a folder each.
        resume: whether to go on from checkpoints.
    """

    measure: DevMeasure
    rows: Sequence[Utterance]
    soft: Sequence[SoftText | None]
    clock: TrainingClock
    work: Path
    resume: bool

    @property
    def job(self) -> TrainJob:
        """What is trained."""
        return self.measure.job

    def folder(self, number: int) -> Path:
        """Where the work of a member lies."""
        return self.work / f"member-{number + 1}" if number else self.work

    def log(self, number: int) -> Path:
        """Where TensorBoard finds the training of a member: beside the adapter."""
        logs = self.work.parent / "tensorboard"
        return logs / f"member-{number + 1}" if self.job.settings.members > 1 else logs


@dataclass(frozen=True, slots=True)
class Trained:
    """What training one member has brought. Steps are counted through all members.

    Attributes:
        best: the weights that are kept of it.
        average: the mean of its last candidates; None where that was not asked for.
        dev_wer: of its candidates, ``{"step": .., "wer": ..}``.
        losses: at logged steps, ``{"step": .., "loss": ..}``.
        steps: optimizer steps of this member.
        parameters: how many numbers were trained.
    """

    best: Candidate
    average: Candidate | None
    dev_wer: Sequence[dict[str, float]]
    losses: Sequence[dict[str, float]]
    steps: int
    parameters: int


def train_member(
    course: Course, number: int, observer: Observer | None, notice: Callable[[str], None]
) -> Trained:
    """Train one adapter, or go on with it, and choose its step.

    Raises:
        Stopped: a signal came.
    """
    job = replace(course.job, seed=member_seed(course.job.seed, number))
    rows, stop, work = course.rows, course.measure.stop, course.folder(number)
    resumed = course.resume and work.exists()  # the first member's always does
    checkpoint = newest_checkpoint(work, notice) if resumed else None
    plans = plan_batches(
        [u.duration_s for u in rows], job.settings.batch_size, job.settings.epochs, job.seed
    )
    model = trainable(course.measure.as_used, job)
    before = number * len(plans)
    selection = DevSelection(course.measure, model, work)
    watch = Watch(
        [sum(rows[i].duration_s for i in p.indices) for p in plans],
        selection,
        observer,
        before=before,
        steps=job.settings.members * len(plans),
    )
    batches = training_batches(model, job, rows, plans, course.soft)
    callbacks = [selection, watch, course.clock, StopAtStep(stop)]
    trainer = build_trainer(model, job, work, course.log(number), batches, callbacks)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    stop.check()
    average = selection.average()
    return Trained(
        best=selection.best(average).after(before),
        average=average.after(before) if average else None,
        dev_wer=[{**row, "step": before + row["step"]} for row in selection.results()],
        losses=[
            {"step": before + row["step"], "loss": row["loss"]}
            for row in trainer.state.log_history
            if "loss" in row
        ],
        steps=len(plans),
        parameters=sum(p.numel() for p in model.network.parameters() if p.requires_grad),
    )


def member_seed(seed: int, number: int) -> int:
    """Return the seed of a member: of the first that of the job, of others far from any job's."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def kept(course: Course, trained: Sequence[Trained]) -> tuple[Candidate, dict[str, Any] | None]:
    """Return the weights that are kept, and what the card says of averages.

    Of several members that is the mean of what they have learned. Whether it is better than each
    of them a small dev set cannot say, and it was asked for.
    """
    if len(trained) == 1:
        (only,) = trained
        return only.best, about_average(only.average, only.best)
    mean = course.measure.mean([each.best for each in trained], course.work / "candidate-mean")
    return mean, about_average(mean, mean)


def check_dev_words(job: TrainJob) -> None:
    """Refuse dev speech in which nobody says a word, before training takes its time.

    Raises:
        DataError: there is no word to be wrong about.
    """
    if not count_words(job.dev, job.normaliser):
        raise DataError("dev references hold no word: the best step cannot be chosen with them")


def prepare_work(
    work: Path, job: TrainJob, base: SpeechModel, resume: bool, notice: Callable[[str], None]
) -> None:
    """Open or create the work folder."""
    identity = job_identity(job, base.sha256)
    path = work / "job.json"
    if not resume:
        if path.exists():
            raise UsageError(
                f"{work.parent}: holds an unfinished run; use --resume or another --out"
            )
        begin_work(path, identity)
        return
    if not path.exists():  # stopped before anything was written, perhaps
        notice(f"{work.parent}: no unfinished run there; starts at step 0")
        begin_work(path, identity)
        return
    if json.loads(path.read_text()) != identity:
        raise UsageError(
            f"{work.parent}: the unfinished run there has other data or settings; "
            "resume with the same ones, or use another --out"
        )


def newest_checkpoint(work: Path, notice: Callable[[str], None]) -> Path | None:
    """Return the checkpoint that a member goes on from, if any, and say which."""
    checkpoint, skipped = checkpoints.newest_whole(work / "checkpoints")
    for line in skipped:
        notice(line)
    notice(f"resuming from {checkpoint.name}" if checkpoint else "no checkpoint yet: from step 0")
    return checkpoint


def begin_work(path: Path, identity: dict[str, Any]) -> None:
    """Create the work folder and note what it is for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(identity))


def make_card(
    course: Course,
    trained: Sequence[Trained],
    best: Candidate,
    averaged: Mapping[str, Any] | None,
    strengths: Sequence[dict[str, float]],
) -> AdapterCard:
    """Write down how the adapter came about."""
    job, model = course.job, course.measure.as_used
    return AdapterCard(
        method=job.settings.method,
        base_name=model.name,
        base_sha256=model.sha256,
        window_slack_frames=model.window.slack_frames,
        window_least_frames=model.window.least_frames,
        prompt_template=job.prompts.template,
        prompt_budget_tokens=job.prompts.budget_tokens,
        normaliser=job.normaliser,
        seed=job.seed,
        weights_sha256=file_sha256(weight_file(best.folder)),
        label_minutes=round(label_minutes(job.train), 2),
        hears_silence=model.hears_silence,
        training_s=round(course.clock.total_s(), 1),
        trainable_parameters=sum(each.parameters for each in trained),
        steps=sum(each.steps for each in trained),
        chosen_step=best.step,
        dev_wer=tuple(row for each in trained for row in each.dev_wer),
        averaged=averaged,
        strength=best_strength(strengths),
        strength_wer=tuple(strengths),
        training_curve=tuple(row for each in trained for row in each.losses),
        data_sha256=data_digests(job),
        trained_on=fingerprint([*job.train, *job.dev, *job.general]).to_json(),
        phrases=phrases_said(job.train),
        settings=json.loads(json.dumps(asdict(job.settings))),
        versions=package_versions(),
        command=tuple(job.command),
        languages=tuple(sorted({u.language for u in job.train})),
    )


def about_average(average: Candidate | None, best: Candidate) -> dict[str, Any] | None:
    """Return what the card says of averaged weights; None where there are none."""
    if average is None:
        return None
    return {"steps": list(average.averaged), "wer": average.wer, "chosen": best == average}


def publish(candidate: Path, out_dir: Path, card: AdapterCard) -> None:
    """Copy the chosen weights into place; the card goes last, so a folder with one is whole.

    Copied, not moved: a run that is killed here finds its candidate again.
    """
    for path in sorted(candidate.iterdir()):
        if path.suffix != ".jsonl":
            shutil.copyfile(path, out_dir / path.name)
    write_card(out_dir, card)
