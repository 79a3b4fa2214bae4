"""A learning curve: labels to adapters trained on more and more of them, all scored alike.

Floor 5. Draws nested parts of the labels, trains one adapter on each into ``DIR/<minutes>/``,
decodes one set with all of them and with the base model, and writes ``DIR/curve.json`` after each.
A folder of another curve is refused; one that was stopped is gone on with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from asr_adapt.adapter import CARD_NAME, AdapterCard
from asr_adapt.base_weights.weights import ResolvedWeights, resolve_weights
from asr_adapt.config import RecipeConfig
from asr_adapt.curve.parts import Part, nested_parts, point_job
from asr_adapt.curve.record import (
    CURVE_NAME,
    CurveFit,
    CurvePoint,
    LearningCurve,
    read_curve,
    write_curve,
)
from asr_adapt.curve.scores import CurveScores, fit_arm, score_points
from asr_adapt.environment import package_versions
from asr_adapt.errors import UsageError
from asr_adapt.evaluation import evaluate
from asr_adapt.evaluation_job import EvaluationJob, TestSet
from asr_adapt.hypotheses import read_hypotheses
from asr_adapt.manifest import utterances_sha256
from asr_adapt.model import load_base, pick_device
from asr_adapt.progress import ProgressDisplay
from asr_adapt.recipe import (
    check_recipe_leaks,
    evaluation_job,
    load_recipe_data,
    model_name,
    prepare_data,
    training_job,
    with_bias_file,
)
from asr_adapt.records import Hypothesis
from asr_adapt.run_folder import set_folder
from asr_adapt.settings import DecodeSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import label_minutes
from asr_adapt.training.train_job import TrainJob, finished_adapter
from asr_adapt.training.watched import has_begun, train_watched

BASE_FOLDER = "base"
RUN_FOLDER = "scored"


@dataclass(frozen=True, slots=True)
class CurveJob:
    """What to draw a curve of; it is gone on with by the same one.

    Attributes:
        training: the training with all labels there are.
        minutes: of labels at each point, above 0.
        scoring: how the one set is decoded on which all points are scored; without an adapter.
        chose: whether that set also chooses each adapter's step and strength.
    """

    training: TrainJob
    minutes: tuple[float, ...]
    scoring: EvaluationJob
    chose: bool


def run_curve(
    job: CurveJob, out_dir: Path, *, resume: bool, stop: StopRequest, display: ProgressDisplay
) -> LearningCurve:
    """Train and score every point and write the curve into ``out_dir``.

    Raises:
        UsageError: ``out_dir`` holds another curve, or this one and ``resume`` is not set.
        DataError: no labels, or nothing to score on.
        Stopped: a signal came; ``resume`` goes on.
    """
    if not any(arm.startswith("lora") for arm in job.scoring.arms):
        raise UsageError("a learning curve needs the arm lora or lora+bias")
    parts = nested_parts(job.training.train, job.minutes, job.training.seed, display.say)
    curve = open_curve(out_dir / CURVE_NAME, job, resume)
    if curve.finished:
        display.say(f"{out_dir / CURVE_NAME}: finished already")
        return curve
    score_base(job, out_dir, stop, display)
    cards: list[AdapterCard] = []
    for number, part in enumerate(parts, start=1):
        stop.check()
        display.say(
            f"point {number} of {len(parts)}: {label_minutes(part.utterances):.1f} minutes of "
            f"labels in {len(part.utterances)} utterances, {curve.epochs} epochs"
        )
        cards.append(train_point(job, part, out_dir / part.folder, stop, display))
        score_adapter(job, part, out_dir, stop, display)
        curve = measured(curve, job, out_dir, parts[:number], cards)
        curve = replace(curve, finished=number == len(parts))
        write_curve(out_dir / CURVE_NAME, curve)
    return curve


def open_curve(path: Path, job: CurveJob, resume: bool) -> LearningCurve:
    """Return the curve that was begun, or begin it.

    Raises:
        UsageError: there is another curve, or an adapter, or this curve and not ``resume``.
    """
    begun = begin(job)
    if not path.exists():
        if (path.parent / CARD_NAME).exists():
            raise UsageError(f"{path.parent}: holds an adapter already; use another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_curve(path, begun)
        return begun
    if not resume:
        raise UsageError(f"{path}: is there already; use --resume or another --out")
    found = read_curve(path)
    if found.job_sha256 != begun.job_sha256:
        raise UsageError(
            f"{path}: is of other data, weights, points or settings; resume with the same "
            "command, or use another --out"
        )
    return found


def begin(job: CurveJob) -> LearningCurve:
    """Return the curve without a point."""
    training, scored = job.training, job.scoring.sets[0]
    return LearningCurve(
        finished=False,
        job_sha256=job_digest(job),
        model=job.scoring.weights.name,
        model_sha256=job.scoring.weights.sha256,
        method=training.settings.method,
        epochs=training.settings.epochs,
        seed=training.seed,
        normaliser=training.normaliser,
        available_minutes=round(label_minutes(training.train), 2),
        scored_on=scored.title,
        scored_utterances=len(scored.utterances),
        chose=job.chose,
        blocks="",
        n_blocks=0,
        command=tuple(training.command),
        versions=tuple(f"{name} {version}" for name, version in package_versions().items()),
    )


def job_digest(job: CurveJob) -> str:
    """Return a checksum of what must be the same for a curve to be gone on with."""
    training, scoring = job.training, job.scoring
    parts = {
        "minutes": sorted(job.minutes),
        "settings": asdict(training.settings),
        "prompts": asdict(training.prompts),
        "normaliser": training.normaliser,
        "seed": training.seed,
        "weights": scoring.weights.sha256,
        "data": [
            utterances_sha256(rows) for rows in (training.train, training.dev, training.general)
        ],
        "scored": utterances_sha256(scoring.sets[0].utterances),
        "decode": [asdict(scoring.decode), asdict(scoring.bias), scoring.strength, *scoring.arms],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def train_point(
    job: CurveJob, part: Part, folder: Path, stop: StopRequest, display: ProgressDisplay
) -> AdapterCard:
    """Train the adapter of one point, go on where it was stopped, or keep it if it is done."""
    point = point_job(job.training, part)
    scoring = job.scoring
    if done := finished_adapter(folder, point, scoring.weights.sha256):
        return done
    base = load_base(scoring.weights, pick_device(scoring.device))
    return train_watched(base, point, folder, has_begun(folder), stop, display)


def score_base(job: CurveJob, out_dir: Path, stop: StopRequest, display: ProgressDisplay) -> None:
    """Decode the set with the base model: the point at 0 minutes."""
    arms = tuple(arm for arm in job.scoring.arms if not arm.startswith("lora"))
    scoring = replace(job.scoring, arms=arms)
    decode_into(scoring, out_dir / BASE_FOLDER / RUN_FOLDER, stop, display)


def score_adapter(
    job: CurveJob, part: Part, out_dir: Path, stop: StopRequest, display: ProgressDisplay
) -> None:
    """Decode the set with the adapter of one point."""
    arms = tuple(arm for arm in job.scoring.arms if arm.startswith("lora"))
    scoring = replace(job.scoring, arms=arms, adapter=out_dir / part.folder)
    decode_into(scoring, out_dir / part.folder / RUN_FOLDER, stop, display)


def decode_into(
    scoring: EvaluationJob, run_dir: Path, stop: StopRequest, display: ProgressDisplay
) -> None:
    """Decode into a run directory, going on where that was stopped."""
    begun = (run_dir / "run.json").exists()
    evaluate(scoring, run_dir, resume=begun, stop=stop, progress_for=display.start)


def measured(
    curve: LearningCurve,
    job: CurveJob,
    out_dir: Path,
    parts: Sequence[Part],
    cards: Sequence[AdapterCard],
) -> LearningCurve:
    """Return the curve with the points that are decoded, and its laws if there are enough."""
    scored = job.scoring.sets[0]
    folders = [BASE_FOLDER, *(part.folder for part in parts)]
    texts = [decoded(out_dir / folder / RUN_FOLDER, scored.name) for folder in folders]
    scores = score_points(scored.utterances, texts, curve.normaliser, curve.seed)
    base = CurvePoint(BASE_FOLDER, 0.0, 0.0, 0, scores.arms[0])
    pairs = zip(parts, cards, scores.arms[1:], strict=True)
    points = tuple(
        CurvePoint(
            folder=part.folder,
            asked_minutes=part.asked_minutes,
            minutes=card.label_minutes,
            utterances=len(part.utterances),
            arms=arms,
            steps=card.steps,
            training_s=card.training_s,
            strength=card.strength,
            adapter_sha256=card.weights_sha256,
        )
        for part, card, arms in pairs
    )
    return replace(
        curve,
        points=(base, *points),
        fits=fits_of(points, scores, curve.seed),
        scored_utterances=scores.utterances,
        blocks=scores.blocks.kind,
        n_blocks=scores.blocks.n,
        caveat=scores.blocks.caveat or "",
    )


def decoded(run_dir: Path, name: str) -> list[Hypothesis]:
    """Return what was decoded of a set; nothing if no arm applied."""
    path = set_folder(run_dir, name) / "hypotheses.jsonl"
    return read_hypotheses(path) if path.exists() else []


def fits_of(points: Sequence[CurvePoint], scores: CurveScores, seed: int) -> tuple[CurveFit, ...]:
    """Fit a law to each arm that all points have."""
    fits = []
    for name in [arm.name for arm in points[-1].arms]:
        rates = [arm.wer.value for point in points if (arm := point.arm(name))]
        draws = [scores.draws[number, name] for number in range(1, len(points) + 1)]
        minutes = [point.minutes for point in points]
        fits.append(fit_arm(name, minutes, rates, np.stack(draws, axis=1), seed))
    return tuple(fit for fit in fits if fit)


def curve_on_dev(
    training: TrainJob,
    minutes: tuple[float, ...],
    weights: ResolvedWeights,
    device: str,
    title: str,
) -> CurveJob:
    """Return a curve that is scored on the training's own dev speech, called ``title``."""
    scoring = EvaluationJob(
        sets=[TestSet("dev", "domain", title, training.dev)],
        weights=weights,
        adapter=None,
        bias_list=None,
        prompts=training.prompts,
        decode=DecodeSettings(),
        normaliser=training.normaliser,
        device=device,
        seed=training.seed,
        command=training.command,
        leak_check="dev speech, which chose step and strength",
    )
    return CurveJob(training, minutes, scoring, chose=True)


def run_recipe_curve(
    config: RecipeConfig,
    minutes: tuple[float, ...],
    out_dir: Path,
    data_dir: Path,
    *,
    command: Sequence[str],
    stop: StopRequest,
    display: ProgressDisplay,
) -> LearningCurve:
    """Draw the curve of a recipe's training, scored on its first test set.

    Nothing is chosen by it, so the test set stays one. What is done already is not done again.

    Raises:
        UsageError: the recipe trains nothing, or ``out_dir`` holds another curve.
        Stopped: a signal came; the same call goes on.
    """
    if config.data is None:
        raise UsageError(f"recipe {config.name}: trains nothing, so it has no learning curve")
    config = with_bias_file(config)
    prepare_data(config, data_dir, stop, display)
    data = load_recipe_data(config, data_dir, stop, display)
    leak_check = check_recipe_leaks(config, data)
    weights = resolve_weights(model_name(config, data_dir))
    scoring = evaluation_job(config, data, weights, None, command, leak_check)
    job = CurveJob(
        training=training_job(config, data, command),
        minutes=minutes,
        scoring=replace(scoring, sets=scoring.sets[:1]),
        chose=False,
    )
    resume = (out_dir / CURVE_NAME).exists()
    return run_curve(job, out_dir, resume=resume, stop=stop, display=display)
