"""Which of the trained weights to keep, by decoded dev WER: the step, then the strength.

Never by loss alone: published logs show WER swinging fourfold at flat loss. Never on test speech.
What was decoded of a candidate lies beside its weights, one log for each set and strength, so that
nothing is decoded twice.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from asr_adapt.context.bias import prompts_for
from asr_adapt.decode import ArmPlan, decode_arms
from asr_adapt.errors import DataError, Stopped
from asr_adapt.files import write_whole
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses
from asr_adapt.model import SpeechModel, trained_network
from asr_adapt.records import ErrorCounts, Utterance
from asr_adapt.scoring.alignment import score_words
from asr_adapt.settings import DecodeSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.averaging import average_changes, average_weights
from asr_adapt.training.dev import DevSets, words_per_second
from asr_adapt.training.strength import (
    MeasuredStrength,
    WordErrors,
    strength_rows,
    within_chance,
)
from asr_adapt.training.train_job import TrainJob
from asr_adapt.words.text import get_normaliser

STRENGTHS = (1.0, 0.8, 0.6, 0.4)
"""Those that are tried."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Weights that may be kept.

    Attributes:
        folder: where they lie.
        step: optimizer steps they took; of averaged ones, the last step in the average.
        wer: dev WER, a fraction.
        averaged: the steps whose weights were averaged; empty for those of one step.
    """

    folder: Path
    step: int
    wer: float
    averaged: tuple[int, ...] = ()

    def after(self, steps: int) -> Candidate:
        """Return the candidate of a run that began after so many steps of others."""
        averaged = tuple(steps + step for step in self.averaged)
        return replace(self, step=steps + self.step, averaged=averaged)


@dataclass(frozen=True, slots=True)
class DevMeasure:
    """Decodes dev with trained weights as they would be used: read from their folder, LoRA merged.

    Decoding costs what the base costs then, a sixth less than with LoRA beside the weights.

    Attributes:
        base: the untouched model.
        as_used: the same with window and habits of the adapter.
        job: what is trained, and how it is counted.
        dev: what is decoded.
        stop: a signal ends the work; what is decoded is kept.
    """

    base: SpeechModel
    as_used: SpeechModel
    job: TrainJob
    dev: DevSets
    stop: StopRequest

    def strengths(
        self, candidate: Candidate, progress: Callable[[int, int], None] | None = None
    ) -> list[dict[str, float]]:
        """Measure a candidate at parts of its strength, as far as that is not done.

        A LoRA adapter at full strength can overshoot; at a part of it, it lies between the base and
        what training found (WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).

        Args:
            candidate: what is kept.
            progress: told how many strengths are measured, of how many.

        Returns:
            What `asr_adapt.training.strength.strength_rows` says of them, strongest first.

        Raises:
            Stopped: a signal came; what was decoded is kept.
        """
        folder, settings = candidate.folder, self.job.settings
        # All weights have no strength, and part of DoRA's change is not on the way from the base.
        if not settings.has_strengths:
            return [{"strength": 1.0, "wer": candidate.wer, "behind": 0.0, "behind_se": 0.0}]
        measured: list[MeasuredStrength] = []
        for strength in STRENGTHS:
            measured.append(self._at_strength(folder, strength))
            if progress:
                progress(len(measured), len(STRENGTHS))
        dev = self.dev
        sets = [each for each in (dev.domain, dev.general, dev.received, dev.silence) if each]
        return strength_rows(measured, sets, self.job.seed)

    def mean(self, members: Sequence[Candidate], folder: Path) -> Candidate:
        """Write and measure the mean of what several members have learned.

        Raises:
            Stopped: a signal came; what was decoded is kept.
        """
        average_changes([each.folder for each in members], folder)
        wer = self.domain(folder).wer
        return Candidate(folder, members[-1].step, wer, tuple(each.step for each in members))

    def domain(self, folder: Path, strength: float = 1.0) -> WordErrors:
        """Measure weights on the domain's dev speech.

        Raises:
            Stopped: a signal came; what was decoded is kept.
        """
        return self._on_domain(self._weights(folder, strength), folder, strength)

    def _at_strength(self, folder: Path, strength: float) -> MeasuredStrength:
        model = self._weights(folder, strength)
        return MeasuredStrength(
            strength,
            self._on_domain(model, folder, strength),
            self._change(model, self.dev.general, folder / f"general-{strength:g}.jsonl"),
            self._change(model, self.dev.received, folder / f"received-{strength:g}.jsonl"),
            self._made_up(model, folder / f"silence-{strength:g}.jsonl"),
        )

    def _weights(self, folder: Path, strength: float) -> SpeechModel:
        method = self.job.settings.method
        whisper = self.base.whisper
        base = copy.deepcopy(whisper) if method == "lora" else whisper  # LoRA merges into it
        network = trained_network(base, folder, method, strength)
        return replace(self.as_used, network=network)

    def _on_domain(self, model: SpeechModel, folder: Path, strength: float) -> WordErrors:
        log = folder / f"dev-{strength:g}.jsonl"
        return word_errors(model, self.dev.domain, self.job, log, self.stop)

    def _change(
        self, model: SpeechModel, general: Sequence[Utterance], log: Path
    ) -> WordErrors | None:
        """Measure how far general speech has moved from the base model's text."""
        return word_errors(model, general, self.job, log, self.stop) if general else None

    def _made_up(self, model: SpeechModel, log: Path) -> WordErrors | None:
        """Measure what is written where nobody speaks, against speech at the pace of the domain."""
        silence, job = self.dev.silence, self.job
        if not silence:
            return None
        decode_dev(model, silence, [ArmPlan("lora")], log, self.stop)
        made_up = logged_errors(silence, log, job.normaliser).errors
        pace = words_per_second(self.dev.domain, job.normaliser)
        return WordErrors(made_up, tuple(clip.duration_s * pace for clip in silence))


class DevSelection(TrainerCallback):  # type: ignore[misc]
    """Keeps a candidate of the weights at each evaluation, with its dev WER."""

    def __init__(self, measure: DevMeasure, model: SpeechModel, work: Path) -> None:
        self.measure = measure
        self.model = model
        self.work = work
        self.log = work / "dev_wer.jsonl"

    def results(self) -> list[dict[str, float]]:
        """Return the measured candidates, ``{"step": .., "wer": ..}``, in order."""
        return [{"step": row["step"], "wer": row["wer"]} for row in self._rows()]

    def best(self, average: Candidate | None) -> Candidate:
        """Return the last step that is as good on dev as the best, or an average that is better.

        As good: above the least dev WER by no more than one standard error, as strengths are
        chosen. The learning rate falls to the end, so that of equals the last is the most settled;
        one from the middle is often the least by chance alone.
        """
        rows = self._rows()
        measured = [WordErrors(tuple(row["errors"]), tuple(row["words"])) for row in rows]
        good = within_chance(measured, self.measure.dev.domain, self.measure.job.seed)
        row = next(row for row, each in reversed(list(zip(rows, good, strict=True))) if each)
        step = int(row["step"])
        single = Candidate(self._folder(step), step, row["wer"])
        return average if average and average.wer < single.wer else single

    def _rows(self) -> list[dict[str, Any]]:
        return sorted(read_rows(self.log), key=lambda row: int(row["step"]))

    def average(self) -> Candidate | None:
        """Measure the average of the last candidates, if that is asked for and not done.

        Returns:
            The average; None where there are no two candidates to average.

        Raises:
            Stopped: a signal came.
        """
        count = self.measure.job.settings.average_last
        steps = tuple(int(row["step"]) for row in self.results()[-count:]) if count else ()
        if len(steps) < 2:
            return None
        folder = self.work / "candidate-average"
        log = folder / "average.jsonl"
        if not log.exists():
            average_weights([self._folder(step) for step in steps], folder)
            append_row(log, {"wer": self.measure.domain(folder).wer})
        return Candidate(folder, steps[-1], read_rows(log)[0]["wer"], steps)

    def _folder(self, step: int) -> Path:
        return self.work / f"candidate-{step:08d}"

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Measure the candidate that a stop interrupted.

        Raises:
            Stopped: another stop came; a step further, nobody would measure that candidate.
        """
        self._drop_after(state.global_step)
        self._measure(state.global_step, args.save_steps, state.max_steps)
        self.measure.stop.check()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Measure the step that was just saved, if it is an evaluation step."""
        self._measure(state.global_step, args.save_steps, state.max_steps)
        if self.measure.stop.signal_name:  # no step further: this one may still have to be measured
            control.should_training_stop = True

    def _drop_after(self, step: int) -> None:
        """Forget candidates of steps that a resumed run will take again."""
        kept = [row for row in self._rows() if row["step"] <= step]
        write_rows(self.log, kept)

    def _measure(self, step: int, every: float, last: int) -> None:
        due = step > 0 and (step % int(every) == 0 or step == last)
        known = {int(row["step"]) for row in self.results()}
        stopping = self.measure.stop.signal_name and step < last
        if not due or step in known or stopping:
            return
        folder = self._folder(step)
        save_weights(self.model, folder)
        try:
            found = self.measure.domain(folder)
        except Stopped:
            return  # the checkpoint of this step is there; it is measured when training resumes
        counts = {"errors": found.errors, "words": found.words}
        append_row(self.log, {"step": step, "wer": found.wer, **counts})


def word_errors(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    job: TrainJob,
    log_path: Path,
    stop: StopRequest,
) -> WordErrors:
    """Decode without prompts, and with them where there is context; add the errors of both.

    Args:
        model: as it would be used, its LoRA merged.
        utterances: with references.
        job: says how phrases become prompts, and the normaliser.
        log_path: what these weights have decoded of them before; gets the rest.
        stop: a signal ends the work; what is decoded is kept.

    Raises:
        DataError: no word in any reference.
        Stopped: a signal came.
    """
    arms = [ArmPlan("lora")]
    if any(u.context for u in utterances):
        arms.append(
            ArmPlan("lora+bias", prompts_for(utterances, model.tokenize, None, job.prompts))
        )
    decode_dev(model, utterances, arms, log_path, stop)
    found = logged_errors(utterances, log_path, job.normaliser)
    if not sum(found.words):
        raise DataError("no dev clip with words could be decoded: no step can be chosen")
    return found


def decode_dev(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    arms: Sequence[ArmPlan],
    log_path: Path,
    stop: StopRequest,
) -> None:
    """Decode greedily what the log lacks."""
    decode_arms(model, utterances, arms, DecodeSettings(), HypothesisLog(log_path), stop)


def logged_errors(utterances: Sequence[Utterance], log_path: Path, normaliser: str) -> WordErrors:
    """Count the errors of each utterance in a hypothesis log, all its arms together."""
    normalise = get_normaliser(normaliser).function
    references = {u.utterance_id: normalise(u.reference or "") for u in utterances}
    found = {each: ErrorCounts() for each in references}
    for row in read_hypotheses(log_path):
        if row.error is None:
            found[row.utterance_id] += score_words(
                references[row.utterance_id], normalise(row.text)
            )
    counts = [found[u.utterance_id] for u in utterances]
    return WordErrors(
        errors=tuple(each.errors for each in counts),
        words=tuple(each.reference_length for each in counts),
    )


def save_weights(model: SpeechModel, folder: Path) -> None:
    """Write the trained weights as safetensors: the adapter, or the whole model."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    network: Any = model.network
    network.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # peft's template, which nobody filled in


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a log of measurements; none if there is no such file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append one measurement to a log."""
    write_rows(path, [*read_rows(path), row])


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a log of measurements whole: a torn one would end every resume."""
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))
