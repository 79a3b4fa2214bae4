"""Utterances without labels to several decodings each: changed a little, with and without context.

A view is a change of sound that leaves the words as they are. What a model is sure of survives it.
Reads sounds and writes the hypothesis log of `decode`; arms are named ``base+bias@faster``.
"""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asr_adapt.adapter import AdapterCard, check_base, read_card
from asr_adapt.audio import MAX_UTTERANCE_S, SAMPLE_RATE_HZ, Samples
from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.context.bias import prompts_for
from asr_adapt.decode import (
    ArmPlan,
    Progress,
    encode_sounds,
    failed_rows,
    hypothesis,
    load_sounds,
    search,
)
from asr_adapt.environment import package_versions
from asr_adapt.errors import ManifestError, UsageError
from asr_adapt.files import write_json
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses, refuse_leftovers
from asr_adapt.manifest import utterances_sha256
from asr_adapt.model import (
    SpeechModel,
    check_languages,
    load_base,
    pick_device,
    with_adapter,
)
from asr_adapt.records import BiasList, Utterance
from asr_adapt.settings import DECODED_TOGETHER, DecodeSettings, PromptSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import bucketed
from asr_adapt.unlabelled.agreement import Vote, vote
from asr_adapt.window import length_bucket
from asr_adapt.words.text import get_normaliser

LOG_NAME = "hypotheses.jsonl"
RECORD_NAME = "decodings.json"

LEAD_S = 0.31
"""Silence before a sound: not a whole number of the encoder's 20 ms frames."""
FASTER = 1.08
"""Tempo and pitch together, a little less than the 1.1 that speed perturbation takes for harmless
in training (Ko et al. 2015, Interspeech, "Audio augmentation for speech recognition")."""
NOISE_DB = 20.0
"""White noise so far below the mean level of the sound."""


@dataclass(frozen=True, slots=True)
class View:
    """A change of sound that keeps the words.

    Attributes:
        name: part of the arm's name in the log.
        change: samples at 16 kHz, shape (n,), and a source of chance to the changed samples.
    """

    name: str
    change: Callable[[Samples, np.random.Generator], Samples]


def unchanged(sound: Samples, rng: np.random.Generator) -> Samples:
    """Return the sound as it is."""
    return sound


def later(sound: Samples, rng: np.random.Generator) -> Samples:
    """Put silence before the sound, as much as Whisper's 30 s leave room for."""
    room = round(MAX_UTTERANCE_S * SAMPLE_RATE_HZ) - len(sound)
    lead = max(0, min(round(LEAD_S * SAMPLE_RATE_HZ), room))
    return np.pad(sound, (lead, 0))


def faster(sound: Samples, rng: np.random.Generator) -> Samples:
    """Play the sound faster, which raises its pitch as much; band-limited, by its spectrum."""
    length = max(1, round(len(sound) / FASTER))
    played = np.fft.irfft(np.fft.rfft(sound)[: length // 2 + 1], n=length)
    return np.asarray(played * (length / len(sound)), np.float32)


def noisier(sound: Samples, rng: np.random.Generator) -> Samples:
    """Add white noise `NOISE_DB` below the sound's mean power."""
    level = float(np.sqrt(np.mean(np.square(sound)))) * 10 ** (-NOISE_DB / 20)
    noise = rng.standard_normal(len(sound), dtype=np.float32)
    return np.asarray(sound + np.float32(level) * noise, np.float32)


VIEWS = (
    View("plain", unchanged),
    View("later", later),
    View("faster", faster),
    View("noisier", noisier),
)


@dataclass(frozen=True, slots=True)
class ViewJob:
    """What is decoded several times, and with what.

    Attributes:
        utterances: of at most 30 s each.
        weights: the base model.
        adapter: an adapter folder, or None.
        bias_list: phrases told about every utterance, besides its own context.
        prompts: how phrases become a prompt where no adapter says so.
        normaliser: brings decodings to the form in which they are compared.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: utterances decoded together.
        command: how the work was started.
    """

    utterances: Sequence[Utterance]
    weights: ResolvedWeights
    adapter: Path | None = None
    bias_list: BiasList | None = None
    prompts: PromptSettings = PromptSettings()  # noqa: RUF009 - frozen
    normaliser: str = "spoken-en"
    device: str = "auto"
    batch_size: int = DECODED_TOGETHER
    command: Sequence[str] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that vote: always the untold one, and the told one where there is context."""
        name = "lora" if self.adapter else "base"
        told = self.bias_list is not None or any(u.context for u in self.utterances)
        return (name, f"{name}+bias") if told else (name,)


def decode_and_vote(
    job: ViewJob,
    folder: Path,
    *,
    resume: bool,
    stop: StopRequest,
    progress: Progress | None = None,
) -> list[Vote]:
    """Decode every utterance in all views with all arms, into ``folder``, and let them vote.

    Returns:
        One vote for each utterance, in their order.

    Raises:
        UsageError: ``folder`` holds other work, or this one and ``resume`` is not set.
        DataError: speech in a language that the model does not know.
        Stopped: a signal came; ``resume`` goes on.
    """
    normalise = get_normaliser(job.normaliser).function
    card = read_card(job.adapter) if job.adapter else None
    if card and job.adapter:
        check_base(job.adapter, card, job.weights.name, job.weights.sha256)
    check_languages(job.weights, job.utterances)
    open_folder(folder, job_record(job, card), resume)
    log = HypothesisLog(folder / LOG_NAME)
    names = [arm_name(arm, view) for arm in job.arms for view in VIEWS]
    if any((u.utterance_id, name) not in log.done for u in job.utterances for name in names):
        decode_job(job, card, log, stop, progress)
    return read_votes(folder / LOG_NAME, job.utterances, normalise)


def arm_name(arm: str, view: View) -> str:
    """Return the name of an arm's view in the hypothesis log."""
    return f"{arm}@{view.name}"


def decode_job(
    job: ViewJob,
    card: AdapterCard | None,
    log: HypothesisLog,
    stop: StopRequest,
    progress: Progress | None,
) -> None:
    """Load the model and decode what the log lacks."""
    model = load_base(job.weights, pick_device(job.device))
    prompts = job.prompts
    if card and job.adapter:
        model = with_adapter(model, job.adapter)
        prompts = PromptSettings(card.prompt_template, card.prompt_budget_tokens)
    told = prompts_for(job.utterances, model.tokenize, job.bias_list, prompts)
    plans = [ArmPlan(name, told if name.endswith("+bias") else None) for name in job.arms]
    settings = DecodeSettings(job.batch_size)
    decode_views(model, job.utterances, plans, VIEWS, settings, log, stop, progress)


def decode_views(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    arms: Sequence[ArmPlan],
    views: Sequence[View],
    settings: DecodeSettings,
    log: HypothesisLog,
    stop: StopRequest,
    progress: Progress | None = None,
) -> None:
    """Decode every utterance in every view with every arm, as far as the log lacks it.

    Raises:
        Stopped: a signal came; all finished views of batches are in the log.
    """
    total, done = len(utterances) * len(views), 0
    for batch in bucketed(utterances, settings.batch_size, partial(view_frames, model)):
        for view in views:
            stop.check()
            named = [replace(arm, name=arm_name(arm.name, view)) for arm in arms]
            pending = [
                a for a in named if any((u.utterance_id, a.name) not in log.done for u in batch)
            ]
            if pending:
                decode_view(model, batch, view, pending, settings, log)
            done += len(batch)
            if progress:
                progress(done, total)
    stop.check()


def decode_view(
    model: SpeechModel,
    batch: Sequence[Utterance],
    view: View,
    arms: Sequence[ArmPlan],
    settings: DecodeSettings,
    log: HypothesisLog,
) -> None:
    """Decode one batch of utterances of one window in one view, into the log."""
    started = time.perf_counter()
    loaded, failed = load_sounds(batch)
    usable = [u for u in batch if u.utterance_id in loaded]
    if not usable:
        for arm in arms:
            log.append(failed_rows(failed, arm.name))
        return
    sounds = [view.change(loaded[u.utterance_id], own_chance(u)) for u in usable]
    hidden = encode_sounds(model, sounds, view_frames(model, length_bucket(batch[0].duration_s)))
    encode_s = time.perf_counter() - started
    for arm in arms:
        started = time.perf_counter()
        decoded = search(model, usable, hidden, arm, settings)
        share_s = (encode_s + time.perf_counter() - started) / len(usable)
        rows = [
            hypothesis(u, arm.name, arm.prompt(u.utterance_id), d, share_s)
            for u, d in zip(usable, decoded, strict=True)
        ]
        log.append([*rows, *failed_rows(failed, arm.name)])


def view_frames(model: SpeechModel, duration_s: float) -> int:
    """Return the window of an utterance, one for all views: it depends on nothing else."""
    return model.window.frames(duration_s + LEAD_S)


def own_chance(utterance: Utterance) -> np.random.Generator:
    """Return a source of chance of the utterance's own, the same in every run."""
    return np.random.default_rng(zlib.crc32(utterance.utterance_id.encode()))


def read_votes(
    path: Path, utterances: Sequence[Utterance], normalise: Callable[[str], str]
) -> list[Vote]:
    """Let the decodings of a log vote on each utterance, in their order.

    Raises:
        ManifestError: an utterance has no decoding in it.
    """
    rows: dict[str, list[Any]] = {u.utterance_id: [] for u in utterances}
    for row in read_hypotheses(path):
        if row.utterance_id in rows:
            rows[row.utterance_id].append(row)
    missing = next((uid for uid, found in rows.items() if not found), None)
    if missing is not None:
        raise ManifestError(path, f"no decoding of utterance '{missing}'; run with --resume")
    return [vote(found, normalise) for found in rows.values()]


def open_folder(folder: Path, record: dict[str, Any], resume: bool) -> None:
    """Create the folder, or check that it holds the same work.

    Raises:
        UsageError: it holds other work, work of which nothing says what it is, or this one and
            ``resume`` is not set.
    """
    path = folder / RECORD_NAME
    if not path.exists():
        refuse_leftovers(path, [folder / LOG_NAME])
        write_json(path, record)
        return
    if not resume:
        raise UsageError(f"{folder}: holds decodings already; use --resume or another --out")
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: not readable as JSON ({error}); use another --out") from None
    for key in ("data", "model", "adapter", "arms", "views", "prompts", "bias_list", "batch_size"):
        if not isinstance(before, dict) or before.get(key) != json.loads(json.dumps(record[key])):
            raise UsageError(
                f"{folder}: the work there has another '{key}'; resume with the same data and "
                "options, or use another --out"
            )


def job_record(job: ViewJob, card: AdapterCard | None) -> dict[str, Any]:
    """Return what was decoded with what, as JSON."""
    weights, told = job.weights, job.bias_list
    return {
        "kind": "asr-adapt decodings",
        "command": list(job.command),
        "versions": package_versions(),
        "data": {"utterances": len(job.utterances), "sha256": utterances_sha256(job.utterances)},
        "model": {"name": weights.name, "source": weights.source, "sha256": weights.sha256},
        "adapter": card.weights_sha256 if card else None,
        "arms": list(job.arms),
        "views": [view.name for view in VIEWS],
        "prompts": asdict(job.prompts),
        "bias_list": _digest(told.phrases) if told else None,
        "batch_size": job.batch_size,
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
