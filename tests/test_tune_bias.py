"""tune-bias on toy speech: what it writes is what an unbroken search finds, and all of it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from asr_adapt.cli import cli
from asr_adapt.config import RecipeConfig, TestConfig
from asr_adapt.context.bias_file import (
    BiasChoice,
    BiasFile,
    TuningRecord,
    read_bias_file,
    write_bias_file,
)
from asr_adapt.context.trials import DevTrials
from asr_adapt.context.tune_bias import (
    TuningJob,
    dev_speech,
    in_words,
    load_model,
    tune_bias,
    tuning_record,
)
from asr_adapt.context.tuning import Space
from asr_adapt.errors import LeakError, Stopped, UsageError
from asr_adapt.evaluation_job import TestSet
from asr_adapt.progress import ProgressDisplay
from asr_adapt.recipe import RecipeData, check_recipe_leaks, with_bias_file
from asr_adapt.records import BiasList
from asr_adapt.settings import BiasSettings, PromptSettings
from asr_adapt.splits import audio_marks
from asr_adapt.stopping import StopRequest
from tests.toys import table, toy_rows, toy_weights

QUIET = ProgressDisplay(quiet=True)
SMALL = Space(
    modes=("prompt", "both", "retrieve"), strategies=("glossary", "sentence"), orders=("given",),
    bonuses=(0.5, 2.0), candidates=(2,), beams=(1,),
)  # fmt: skip


@pytest.fixture
def job(toy: Path) -> TuningJob:
    """Four dev utterances and a list of words, half of which are said."""
    dev = [replace(u, context=()) for u in toy_rows(toy, "dev")[:4]]
    words = sorted({word for u in dev for word in (u.reference or "").split()})
    return TuningJob(
        weights=toy_weights(toy),
        adapter=None,
        dev=dev,
        dev_name="dev.jsonl",
        bias_list=BiasList("words", (*words[:2], "lighthouse", "harbour"), "test"),
        prompts=PromptSettings(),
        normaliser="raw",
        device="cpu",
        seed=1,
        space=SMALL,
    )


def stop_after(trials: int, monkeypatch: pytest.MonkeyPatch) -> StopRequest:
    """Return a request that comes while a trial runs, when ``trials`` are measured."""
    stop = StopRequest()
    measure = DevTrials.measure

    def counted(self: DevTrials, choice: BiasChoice, progress: object) -> object:
        nonlocal trials
        trials -= 1
        if trials < 0:
            stop.signal_name = "SIGTERM"
        return measure(self, choice, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(DevTrials, "measure", counted)
    return stop


def timeless(path: Path) -> str:
    """Return a bias.toml without its seconds, which no two runs share."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("decode_s"))


def test_a_stopped_search_goes_on_to_what_an_unbroken_one_finds(
    job: TuningJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole.toml", tmp_path / "broken.toml"
    found = tune_bias(job, whole, resume=False, stop=StopRequest(), display=QUIET)
    assert found == read_bias_file(whole)
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        tune_bias(job, broken, resume=False, stop=stop_after(2, patched), display=QUIET)
    half = read_bias_file(broken)
    assert not half.finished
    assert 0 < len(half.trial) < len(found.trial)
    with pytest.raises(UsageError, match="--resume"):
        tune_bias(job, broken, resume=False, stop=StopRequest(), display=QUIET)
    tune_bias(job, broken, resume=True, stop=StopRequest(), display=QUIET)
    assert timeless(broken) == timeless(whole)
    with monkeypatch.context() as patched:  # all is known: nothing is decoded, or this would stop
        again = tune_bias(job, broken, resume=True, stop=stop_after(0, patched), display=QUIET)
    assert again.finished


def test_a_kill_soon_after_resuming_loses_no_trial(
    job: TuningJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bias.toml"
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        tune_bias(job, out, resume=False, stop=stop_after(2, patched), display=QUIET)
    half = read_bias_file(out)
    kept: list[int] = []

    def watched(path: Path, content: BiasFile) -> None:
        kept.append(len(content.trial))
        write_bias_file(path, content)

    monkeypatch.setattr("asr_adapt.context.tune_bias.write_bias_file", watched)
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        tune_bias(job, out, resume=True, stop=stop_after(0, patched), display=QUIET)
    assert kept == []
    assert read_bias_file(out) == half
    found = tune_bias(job, out, resume=True, stop=StopRequest(), display=QUIET)
    trials = len(found.trial)
    assert kept == [*range(len(half.trial) + 1, trials + 1), trials]
    kept.clear()
    tune_bias(job, out, resume=True, stop=StopRequest(), display=QUIET)
    assert kept == [trials]


def test_other_work_is_not_gone_on_with(job: TuningJob, tmp_path: Path) -> None:
    out = tmp_path / "bias.toml"
    small = replace(job, space=Space(("prompt",), ("glossary",), ("given",), (), (), (1,)))
    tune_bias(small, out, resume=False, stop=StopRequest(), display=QUIET)
    for other in (replace(small, seed=2), replace(small, dev=job.dev[1:]), replace(small, bound=0)):
        with pytest.raises(UsageError, match="other data"):
            tune_bias(other, out, resume=True, stop=StopRequest(), display=QUIET)


def test_speech_without_anything_to_tell_is_refused(job: TuningJob, tmp_path: Path) -> None:
    bare = replace(job, bias_list=None, dev=[replace(u, context=()) for u in job.dev])
    with pytest.raises(UsageError, match="--bias"):
        tune_bias(bare, tmp_path / "b.toml", resume=False, stop=StopRequest(), display=QUIET)


def test_the_whole_trace_is_written(job: TuningJob, tmp_path: Path) -> None:
    out = tmp_path / "bias.toml"
    found = tune_bias(job, out, resume=False, stop=StopRequest(), display=QUIET)
    table = tomllib.loads(out.read_text(encoding="utf-8"))
    assert table["tuned"]["utterances"] == 4
    assert len(table["trial"]) == len(found.trial)
    best = min(t["measured"]["wer"] for t in table["trial"] if t["allowed"])
    chosen = found.choice
    assert next(t.measured.wer for t in found.trial if t.choice == chosen) == best


def test_trials_tell_as_they_say(job: TuningJob) -> None:
    record = tuning_record(job, job.dev)
    trials = DevTrials(load_model(job), dev_speech(job, record, job.dev), StopRequest())
    trials.prepare(lambda done, total: None)
    told = trials.measure(BiasChoice(), lambda done, total: None)
    assert (told.phrases_told, told.phrases_dropped) == (4, 0)
    few = BiasChoice(BiasSettings("retrieve", candidates=1))
    assert trials.measure(few, lambda done, total: None).phrases_told <= 1
    untold = trials.measure_untold(1, lambda done, total: None)
    assert untold.phrases_told == 0
    assert trials.measure_untold(1, lambda done, total: None) == untold


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (BiasChoice(BiasSettings("boost"), 5), "boost, bonus 0.7, 5 beams"),
        (
            BiasChoice(BiasSettings("retrieve", candidates=20)),
            "retrieve, glossary, given, bonus 0.7, 20 candidates",
        ),
    ],
)
def test_a_choice_is_said_in_words(choice: BiasChoice, said: str) -> None:
    assert in_words(choice) == said


def call(*arguments: object) -> Result:
    """Run the command line."""
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def test_eval_uses_what_the_command_found(toy: Path, tmp_path: Path) -> None:
    rows = toy_rows(toy, "dev")[:2]
    data, out = table(toy, tmp_path, "dev", rows), tmp_path / "bias.toml"
    weights = ("--model", toy / "model", "--normaliser", "raw", "--quiet")
    found = call(
        "tune-bias", data, *weights, "--out", out, "--modes", "boost", "--beams", 2, "--bound", 100
    )
    assert found.exit_code == 0, found.output
    assert "told nothing" in found.output
    told = read_bias_file(out)
    told_so = (*weights, "--out", tmp_path / "run", "--bias-settings", out)
    run = call("eval", table(toy, tmp_path, "test"), *told_so)
    assert run.exit_code == 0, run.output
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["decode"]["bias"] == asdict(told.bias)
    assert record["decode"]["beam_size"] == told.beam_size
    assert "no test sound" in record["leak_check"]


def test_speech_that_chose_the_settings_does_not_score_them(toy: Path, tmp_path: Path) -> None:
    rows = toy_rows(toy, "dev")[:3]
    marks = audio_marks(rows[:1])
    tuned = TuningRecord("m", "", "", 0, "dev", "", 1, "", "", "raw", 0, "{phrases}", 9, 1, marks)
    settings = tmp_path / "bias.toml"
    write_bias_file(settings, BiasFile(tuned=tuned))
    model = ("--model", toy / "model", "--normaliser", "raw", "--quiet")
    told_so = (*model, "--out", tmp_path / "run", "--bias-settings", settings)
    data = table(toy, tmp_path, "dev", rows)
    refused = call("eval", data, *told_so)
    assert isinstance(refused.exception, LeakError)
    assert "1 of 3 test utterances" in str(refused.exception)
    assert not (tmp_path / "run").exists()
    run = call("eval", data, *told_so, "--allow-leaks")
    assert run.exit_code == 0, run.output
    assert "1 of 3" in json.loads((tmp_path / "run/run.json").read_text())["leak_check"]

    part = TestConfig("t", "T", "t.jsonl")
    recipe = RecipeConfig("r", "R", "m", (part,), bias_file="bias.toml", folder=tmp_path)
    unheard = TestSet("t", "domain", "T", rows[1:])
    assert check_recipe_leaks(recipe, RecipeData((), (), [unheard])) == "nothing was trained"
    with pytest.raises(LeakError, match="1 of 3"):
        check_recipe_leaks(recipe, RecipeData((), (), [replace(unheard, utterances=rows)]))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("tune-bias", "--split", "test"), "test speech"),
        (("tune-bias", "--modes", "shout"), "--modes"),
        (("tune-bias", "--beams", "0"), "--beams"),
        (("eval", "--bias-settings", "b.toml", "--bias-mode", "boost"), "--bias-mode"),
        (("eval", "--boost-bonus", "2"), "--boost-bonus"),
        (("eval", "--examples", "."), "--examples"),
        (("eval", "--adapter", ".", "--prompt-budget", "9"), "--prompt-budget"),
        (("finetune", "--general-clips", "5"), "--general-clips"),
    ],
)
def test_what_contradicts_itself_is_refused_before_any_work(
    arguments: tuple[str, ...], named: str, toy: Path, tmp_path: Path
) -> None:
    command, *options = arguments
    outcome = call(command, tmp_path, "--model", toy / "model", "--out", tmp_path / "x", *options)
    assert isinstance(outcome.exception, UsageError)
    assert named in str(outcome.exception)


def test_a_recipe_reads_the_file_and_takes_no_second_word(tmp_path: Path) -> None:
    path = tmp_path / "bias.toml"
    path.write_text('beam_size = 3\n[bias]\nmode = "boost"\n')
    test = TestConfig("t", "T", "t.jsonl")
    recipe = RecipeConfig("r", "R", "m", (test,), bias_file="bias.toml", folder=tmp_path)
    told = with_bias_file(recipe)
    assert (told.bias, told.decode.beam_size) == (BiasSettings("boost"), 3)
    with pytest.raises(UsageError, match="bias_file"):
        with_bias_file(replace(recipe, bias=BiasSettings("both")))
