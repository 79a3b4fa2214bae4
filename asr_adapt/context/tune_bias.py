"""Tuning how context is told: dev speech and a model to ``bias.toml``.

Floor 5. Loads the model, encodes dev once, lets `asr_adapt.context.tuning` search and writes the
file after each trial. A file of other work is refused; one that was stopped is gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from asr_adapt.adapter import at_strength, check_base, read_card
from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.context.bias import list_record
from asr_adapt.context.bias_file import (
    BiasChoice,
    BiasFile,
    Measured,
    TuningRecord,
    read_bias_file,
    write_bias_file,
)
from asr_adapt.context.trials import DevSpeech, DevTrials
from asr_adapt.context.tuning import BOUND, Space, search
from asr_adapt.errors import UsageError
from asr_adapt.manifest import utterances_sha256
from asr_adapt.model import SpeechModel, check_languages, load_base, pick_device, with_adapter
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import BiasList, Utterance
from asr_adapt.settings import DECODED_TOGETHER, PromptSettings
from asr_adapt.splits import audio_marks, limited
from asr_adapt.stopping import StopRequest
from asr_adapt.words.text import get_normaliser


@dataclass(frozen=True, slots=True)
class TuningJob:
    """What is tuned on what.

    Attributes:
        weights: the base model.
        adapter: an adapter folder, or None for the base as it comes.
        dev: labelled speech of the domain, never test speech; those without text are left out.
        dev_name: the data as it was named.
        bias_list: phrases told about every utterance, besides its own context.
        strength: part of the adapter's change that is applied; None for what training chose.
        examples: transcripts of training data, which ``few-shot`` shows.
        prompts: template and budget where no adapter says so.
        normaliser: domain normaliser.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: by which dev is drawn where it is longer than ``limit``.
        limit: at most so many utterances are decoded for each trial.
        bound: how much the unbiased WER may rise, a fraction.
        batch_size: utterances decoded together.
        space: what is tried.
        command: how this was asked for.
    """

    weights: ResolvedWeights
    adapter: Path | None
    dev: Sequence[Utterance]
    dev_name: str
    bias_list: BiasList | None
    prompts: PromptSettings
    normaliser: str
    device: str
    seed: int
    strength: float | None = None
    examples: BiasList | None = None
    limit: int = 60
    bound: float = BOUND
    batch_size: int = DECODED_TOGETHER
    space: Space = field(default_factory=Space)
    command: tuple[str, ...] = ()


def tune_bias(
    job: TuningJob, out: Path, *, resume: bool, stop: StopRequest, display: ProgressDisplay
) -> BiasFile:
    """Search for the best way of telling and write it, with every trial, to ``out``.

    Raises:
        UsageError: ``out`` is there already and ``resume`` is not set, or it is of other work; or
            there is nothing to tell.
        DataError: speech in a language that the model does not know.
        Stopped: a signal came; ``resume`` goes on after the last whole trial.
    """
    labelled = [u for u in job.dev if u.reference]
    dev = limited(labelled, job.limit, job.seed)
    if not (job.bias_list or any(u.context for u in dev)):
        raise UsageError(f"{job.dev_name}: nothing to tell; give --bias or a context column")
    check_languages(job.weights, dev)
    record = tuning_record(job, dev)
    before = read_before(out, record, resume)
    out.parent.mkdir(parents=True, exist_ok=True)

    def start() -> DevTrials:
        trials = DevTrials(load_model(job), dev_speech(job, record, dev), stop)
        trials.prepare(display.start(f"encoding {len(dev)} utterances"))
        return trials

    trials = Measuring(start, before, display)

    def write(state: BiasFile) -> None:
        write_bias_file(out, replace(state, command=job.command))

    found = search(job.space, record, trials.measure, trials.measure_untold, write, before)
    write(found)
    return found


class Measuring:
    """Measures choices one after the other, and shows each."""

    def __init__(
        self, start: Callable[[], DevTrials], before: BiasFile | None, display: ProgressDisplay
    ) -> None:
        """Get ready, without loading anything.

        Args:
            start: loads the model and encodes dev, once something has to be measured.
            before: what an earlier run measured; its trials are counted too.
            display: shows each trial.
        """
        self.start = start
        self.trials: DevTrials | None = None
        self.update = display.start_titled()
        self.count = len(before.untold) + len(before.trial) if before else 0

    def measure(self, choice: BiasChoice) -> Measured:
        """Return what a choice comes to."""
        return self._started().measure(choice, self._progress(in_words(choice)))

    def measure_untold(self, beam_size: int) -> Measured:
        """Return what telling nothing comes to."""
        return self._started().measure_untold(beam_size, self._progress(untold_in_words(beam_size)))

    def _started(self) -> DevTrials:
        self.trials = self.trials or self.start()
        return self.trials

    def _progress(self, what: str) -> Callable[[int, int], None]:
        self.count += 1
        return partial(self.update, f"trial {self.count}: {what}")


def untold_in_words(beam_size: int) -> str:
    """Say in a few words that nothing is told.

    >>> untold_in_words(5)
    'told nothing, 5 beams'
    """
    return "told nothing" + (f", {beam_size} beams" if beam_size > 1 else "")


def in_words(choice: BiasChoice) -> str:
    """Say in a few words what a choice is.

    >>> in_words(BiasChoice())
    'prompt, glossary, given'
    """
    bias = choice.bias
    parts = [bias.mode]
    if bias.prompts:
        parts += [bias.strategy, bias.order]
    if bias.boosts:
        parts.append(f"bonus {bias.boost.bonus:g}")
    if bias.retrieves:
        parts.append(f"{bias.candidates} candidates")
    if choice.beam_size > 1:
        parts.append(f"{choice.beam_size} beams")
    return ", ".join(parts)


def load_model(job: TuningJob) -> SpeechModel:
    """Load the base model, with the adapter if there is one."""
    model = load_base(job.weights, pick_device(job.device))
    return with_adapter(model, job.adapter, job.strength) if job.adapter else model


def dev_speech(job: TuningJob, record: TuningRecord, dev: Sequence[Utterance]) -> DevSpeech:
    """Return what the trials are measured on."""
    return DevSpeech(
        utterances=dev,
        shared=job.bias_list.phrases if job.bias_list else (),
        transcripts=job.examples.phrases if job.examples else (),
        prompts=PromptSettings(record.prompt_template, record.prompt_budget_tokens),
        normalise=get_normaliser(job.normaliser).function,
        batch_size=job.batch_size,
    )


def tuning_record(job: TuningJob, dev: Sequence[Utterance]) -> TuningRecord:
    """Return what is tuned on what, by which a stopped run is known again."""
    card = at_strength(read_card(job.adapter), job.strength) if job.adapter else None
    prompts = job.prompts
    if card and job.adapter:
        check_base(job.adapter, card, job.weights.name, job.weights.sha256)
        prompts = PromptSettings(card.prompt_template, card.prompt_budget_tokens)
    return TuningRecord(
        model=job.weights.name,
        model_sha256=job.weights.sha256,
        adapter_sha256=card.weights_sha256 if card else "",
        strength=card.strength if card else 0.0,
        dev=job.dev_name,
        dev_sha256=utterances_sha256(dev),
        utterances=len(dev),
        bias_list=list_record(job.bias_list) if job.bias_list else "",
        examples=list_record(job.examples) if job.examples else "",
        normaliser=job.normaliser,
        bound=job.bound,
        prompt_template=prompts.template,
        prompt_budget_tokens=prompts.budget_tokens,
        seed=job.seed,
        dev_audio=audio_marks(dev),
    )


def read_before(out: Path, record: TuningRecord, resume: bool) -> BiasFile | None:
    """Return the trials of a run that was stopped; None where there are none."""
    if not out.exists():
        return None
    if not resume:
        raise UsageError(f"{out}: is there already; use --resume or another --out")
    before = read_bias_file(out)
    if before.tuned != record:
        raise UsageError(
            f"{out}: was tuned on other data, weights or settings; resume with the same command, "
            "or use another --out"
        )
    return before
