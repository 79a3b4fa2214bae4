"""The whole flow: recipe → data → adapter → four arms on every test set → report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr_adapt.adapter import AdapterCard
from asr_adapt.base_weights.weights import ResolvedWeights, resolve_weights
from asr_adapt.config import RecipeConfig
from asr_adapt.context.bias import read_bias_list, unique
from asr_adapt.context.bias_file import read_bias_file
from asr_adapt.errors import DataError, EnvironmentProblem, UsageError
from asr_adapt.evaluation import evaluate
from asr_adapt.evaluation_job import EvaluationJob, TestSet
from asr_adapt.manifest import read_manifest
from asr_adapt.model import load_base, pick_device
from asr_adapt.own_data import check_sounds, refuse_unlabelled
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import BiasList, Utterance
from asr_adapt.reporting.make import ReportWishes, make_report
from asr_adapt.reporting.results import Report
from asr_adapt.settings import BiasSettings
from asr_adapt.splits import check_leaks, check_not_tuned_on
from asr_adapt.stopping import StopRequest
from asr_adapt.training.train_job import TrainJob, finished_adapter
from asr_adapt.training.watched import has_begun, train_watched
from asr_adapt.words.text import normaliser_for

STOP_POLL_S = 0.2
STANDARD_ERROR = 2  # its descriptor: a stream that stands in for it may have none


@dataclass(frozen=True, slots=True)
class RecipeData:
    """What a recipe trains and tests on; known phrases may be heard in both."""

    train: Sequence[Utterance]
    dev: Sequence[Utterance]
    tests: Sequence[TestSet]
    general: Sequence[Utterance] = ()
    known_phrases: Sequence[str] = ()

    @property
    def languages(self) -> set[str]:
        """ISO 639-1 codes of the speech of the domain."""
        domain = (*self.train, *self.dev, *self.tests[0].utterances)
        return {utterance.language for utterance in domain}


def run_recipe(
    config: RecipeConfig,
    out_dir: Path,
    data_dir: Path,
    *,
    command: Sequence[str],
    stop: StopRequest,
    display: ProgressDisplay,
    wishes: ReportWishes | None = None,
) -> Report:
    """Run a recipe from its data to its report; what is done already is not done again.

    Args:
        config: the recipe.
        out_dir: gets ``adapter/``, the run directory's files and the report.
        data_dir: gets the data the recipe prepares; can be shared by runs.
        command: how this was started, for the record.
        stop: a signal ends work at a point from which it can go on.
        display: shows progress.
        wishes: what the report is to be beside the usual.
    """
    wishes = wishes or ReportWishes()
    wishes.check()
    config = with_bias_file(config)
    prepare_data(config, data_dir, stop, display)
    data = load_recipe_data(config, data_dir, stop, display)
    leak_check = check_recipe_leaks(config, data)
    weights = resolve_weights(model_name(config, data_dir))
    adapter_dir = out_dir / "adapter" if data.train else None
    if adapter_dir:
        train_adapter(config, data, weights, adapter_dir, command, stop, display)
    job = evaluation_job(config, data, weights, adapter_dir, command, leak_check)
    resume = (out_dir / "run.json").exists()
    evaluate(job, out_dir, resume=resume, stop=stop, progress_for=display.start)
    return make_report([out_dir], out_dir, wishes, display, seed=config.seed)


def with_bias_file(config: RecipeConfig) -> RecipeConfig:
    """Return the recipe with the bias settings and beams of its ``bias.toml``, if it names one.

    Raises:
        UsageError: the file cannot be used, or the recipe has a ``[bias]`` table as well.
    """
    if config.bias_file is None:
        return config
    if config.bias != BiasSettings():
        raise UsageError("bias_file and [bias]: both say how phrases are told; leave one out")
    choice = read_bias_file(config.folder / config.bias_file).choice
    decode = replace(config.decode, beam_size=choice.beam_size)
    return replace(config, bias=choice.bias, decode=decode)


def training_transcripts(data: RecipeData) -> BiasList | None:
    """Return what is said in training, for prompts that show examples; None without training."""
    texts = unique(u.reference or "" for u in data.train)
    return BiasList("training", texts, "the training data") if texts else None


def prepare_data(
    config: RecipeConfig, data_dir: Path, stop: StopRequest, display: ProgressDisplay
) -> None:
    """Run the recipe's prepare scripts, each into a folder of its own below ``data_dir``."""
    for step in config.prepare:
        stop.check()
        script = (config.folder / step.script).resolve()
        if not script.is_file():
            raise UsageError(f"prepare.{step.name}.script: no file {script}")
        display.say(f"preparing {step.name} ({config.size})")
        command = [
            sys.executable,
            str(script),
            *("--size", config.size),
            *("--out", str(data_dir / step.name)),
            *("--cache", str(data_dir / "cache")),
            *("--seed", str(config.seed)),
        ]
        code = run_script(command, stop, quiet=display.quiet)
        stop.check()
        if code:
            raise EnvironmentProblem(
                f"{script} ended with exit code {code}; its messages stand above"
            )


def run_script(command: Sequence[str], stop: StopRequest, *, quiet: bool) -> int:
    """Run a program to its end, or until a stop is asked for; return its exit code."""
    with subprocess.Popen(  # noqa: S603 - a script of the recipe the user chose to run
        command,
        # What it says is progress: standard output is for results.
        stdout=subprocess.DEVNULL if quiet else STANDARD_ERROR,
    ) as process:
        while True:
            try:
                return process.wait(STOP_POLL_S)
            except subprocess.TimeoutExpired:
                if stop.signal_name:
                    process.terminate()
                    return process.wait()


def load_recipe_data(
    config: RecipeConfig, data_dir: Path, stop: StopRequest, display: ProgressDisplay
) -> RecipeData:
    """Read all manifests and load every sound once."""

    def read(name: str) -> list[Utterance]:
        path = data_dir / name
        progress = stop.between(display.start(f"checking {name}"))
        rows, _ = check_sounds(read_manifest(path), 0, progress)
        if not rows:
            raise DataError(f"{path}: no utterance in it")
        return rows

    tests = [TestSet(t.name, t.role, t.title, read(t.manifest)) for t in config.test]
    for given, test in zip(config.test, tests, strict=True):
        refuse_unlabelled(str(data_dir / given.manifest), test.utterances)
    if config.data is None:
        return RecipeData((), (), tests)
    general = read(config.data.general) if config.data.general else []
    known = config.data.known_phrases
    phrases = read_bias_list(data_dir / known).phrases if known else ()
    return RecipeData(read(config.data.train), read(config.data.dev), tests, general, phrases)


def check_recipe_leaks(config: RecipeConfig, data: RecipeData) -> str:
    """Refuse test material in training and tuning; return what was checked, in words."""
    if config.bias_file:
        tuned_on = read_bias_file(config.folder / config.bias_file).tuned_on
        for test in data.tests:
            check_not_tuned_on(tuned_on, test.utterances)
    if config.data is None:
        return "nothing was trained"
    phrases = config.data.unseen_phrases
    for test in data.tests:
        trained = [*data.train, *data.dev, *data.general]
        check_leaks(trained, test.utterances, phrases, data.known_phrases)
    checked = "speaker or recording"
    if phrases:
        checked = "speaker, recording or context phrase"
        checked += " (known places apart)" if data.known_phrases else ""
    return f"no test {checked} is in the training or dev data"


def model_name(config: RecipeConfig, data_dir: Path) -> str:
    """Return the model of a recipe; a folder below the data folder if there is such a one."""
    local = data_dir / config.model
    return str(local) if local.is_dir() else config.model


def train_adapter(
    config: RecipeConfig,
    data: RecipeData,
    weights: ResolvedWeights,
    adapter_dir: Path,
    command: Sequence[str],
    stop: StopRequest,
    display: ProgressDisplay,
) -> AdapterCard:
    """Train the recipe's adapter, go on where it was stopped, or keep it if it is done.

    Raises:
        UsageError: the folder holds what other data or settings trained.
    """
    job = training_job(config, data, command)
    if done := finished_adapter(adapter_dir, job, weights.sha256):
        return done
    base = load_base(weights, pick_device(config.device))
    return train_watched(base, job, adapter_dir, has_begun(adapter_dir), stop, display)


def training_job(config: RecipeConfig, data: RecipeData, command: Sequence[str]) -> TrainJob:
    """Return what the recipe trains."""
    return TrainJob(
        train=data.train,
        dev=data.dev,
        settings=config.train,
        prompts=config.prompts,
        normaliser=normaliser_for(config.normaliser, data.languages).name,
        seed=config.adapter_seed,
        general=data.general,
        command=command,
    )


def evaluation_job(
    config: RecipeConfig,
    data: RecipeData,
    weights: ResolvedWeights,
    adapter_dir: Path | None,
    command: Sequence[str],
    leak_check: str,
) -> EvaluationJob:
    """Return what the recipe decodes."""
    return EvaluationJob(
        sets=data.tests,
        weights=weights,
        adapter=adapter_dir,
        bias_list=None,
        prompts=config.prompts,
        decode=config.decode,
        bias=config.bias,
        examples=training_transcripts(data) if config.bias.strategy == "few-shot" else None,
        normaliser=normaliser_for(config.normaliser, data.languages).name,
        device=config.device,
        seed=config.seed,
        strength=config.strength,
        arms=config.arms,
        command=command,
        leak_check=leak_check,
    )
