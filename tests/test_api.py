"""The package as a library: lazy, the same as the commands, and the example in docs runs."""

from __future__ import annotations

import inspect
import json
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import asr_adapt
from asr_adapt import api
from asr_adapt.api.session import default_reading
from asr_adapt.base_weights.weights import PACKAGES, package_files
from asr_adapt.cli import cli
from asr_adapt.errors import LeakError, UsageError
from tests.conftest import ROOT, load_script
from tests.structure.test_floors import HEAVY, loaded_by
from tests.toys import table, toy_rows

NAMES = ("evaluate", "export", "finetune", "report", "transcribe")


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("import asr_adapt\nfor n in asr_adapt.__all__: getattr(asr_adapt, n)")
    assert not loaded & {*HEAVY, "numpy", "click", "rich"}


def test_functions_stay_whatever_is_imported() -> None:
    """A module of the name of a function, once imported, would hide it."""
    before = [getattr(asr_adapt, name) for name in NAMES]
    for module in pkgutil.iter_modules(asr_adapt.__path__):
        if module.name != "__main__":
            import_module(f"asr_adapt.{module.name}")
    assert [getattr(asr_adapt, name) for name in NAMES] == before
    assert all(inspect.isfunction(function) for function in before)
    with pytest.raises(AttributeError, match="'fly'"):
        _ = asr_adapt.fly


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_documented_and_has_its_option(name: str) -> None:
    function = getattr(api, name)
    said = inspect.getdoc(function) or ""
    command = cli.commands["eval" if name == "evaluate" else name]
    options = {str(parameter.name) for parameter in command.params}
    by_parts = {"reading", "prompts", "decode", "telling", "tuned_on", "settings", "session"}
    for argument in inspect.signature(function).parameters:
        assert f"\n    {argument}: " in said, argument
        assert argument in options | by_parts, argument


def test_a_function_writes_what_its_command_writes(toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:2])
    words = ("--model", str(toy / "model"), "--normaliser", "raw")
    cli.main(["eval", str(data), *words, "--out", str(tmp_path / "a")], standalone_mode=False)
    model = str(toy / "model")
    made = asr_adapt.evaluate(data, model=model, normaliser="raw", out=tmp_path / "b")

    def without_times(run: str) -> list[dict[str, Any]]:
        lines = (tmp_path / run / "sets/test/hypotheses.jsonl").read_text().splitlines()
        return [json.loads(line) | {"decode_s": 0} for line in lines]

    assert without_times("a") == without_times("b")
    again = asr_adapt.report(tmp_path / "b", tmp_path / "c")
    assert [arm.wer for arm in again.primary.scores.arms] == [
        arm.wer for arm in made.primary.scores.arms
    ]


def test_phrases_may_be_a_list_or_a_file(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("ship\nmast\n")
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:1])
    prompts = []
    told: list[Path | list[str]] = [tmp_path / "words.txt", ["ship", "mast", "Ship"]]
    for number, bias in enumerate(told):
        run = tmp_path / f"run{number}"
        asr_adapt.evaluate(
            data, model=str(toy / "model"), normaliser="raw", bias=bias, arms=["base+bias"], out=run
        )
        row = json.loads((run / "sets/test/hypotheses.jsonl").read_text())
        prompts.append(row["prompt"])
    assert prompts[0] == prompts[1]
    assert "mast" in prompts[0]


@pytest.fixture
def example() -> Callable[..., None]:
    """The example in docs."""
    found: Callable[..., None] = load_script(ROOT / "docs/example.py").main
    return found


def test_the_example_runs_from_table_to_report(
    example: Callable[..., None],
    toy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train = table(toy, tmp_path, "train", toy_rows(toy, "train")[:12])
    calls = table(toy, tmp_path, "test", toy_rows(toy, "test")[:2])
    watch = toy_rows(toy, "test")[0].audio_path
    out = tmp_path / "out"
    example(calls, watch, out, train, model=str(toy / "model"))
    assert (out / "report/report.html").is_file()
    printed = capsys.readouterr()
    assert "4 arms on one page" in printed.out
    assert printed.err == ""
    with pytest.raises(UsageError, match="another --out"):
        asr_adapt.finetune(train, model=str(toy / "model"), out=out / "adapter")
    with pytest.raises(LeakError):
        asr_adapt.evaluate(
            train, model=str(toy / "model"), adapter=out / "adapter", out=out / "leak"
        )


def test_dev_speech_that_is_trained_on_is_refused_unless_allowed(toy: Path, tmp_path: Path) -> None:
    train = table(toy, tmp_path, "train", toy_rows(toy, "train")[:8])
    dev = table(toy, tmp_path, "dev", toy_rows(toy, "train")[6:8])
    with pytest.raises(LeakError, match=r"2 of 2 dev utterances.*--allow-leaks"):
        api.training_job(train, dev=dev)
    job = api.training_job(train, dev=dev, allow_leaks=True)
    assert (len(job.train), len(job.dev)) == (8, 2)


def test_speech_of_another_language_is_not_compared_by_english_rules(
    toy: Path, tmp_path: Path
) -> None:
    calls = table(toy, tmp_path, "calls", toy_rows(toy, "train")[:8])
    german = replace(default_reading(), language="de")
    assert api.training_job(calls).normaliser == "spoken-en"
    assert api.training_job(calls, reading=german).normaliser == "basic"
    assert api.training_job(calls, reading=german, normaliser="raw").normaliser == "raw"


@pytest.mark.weights
def test_the_example_reads_speech(
    example: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence of a synthetic voice, whisper-tiny.en."""
    if package_files(PACKAGES["whisper-tiny.en"]) is None:
        pytest.skip("whisper-tiny.en is not installed")
    hibari = pytest.importorskip("hibari")
    sentence = "We are two miles south of the sea buoy."
    watch = tmp_path / "watch.wav"
    soundfile.write(watch, np.asarray(hibari.Hibari()(sentence), np.float32), 24000)
    (tmp_path / "calls.csv").write_text(f"audio,text\nwatch.wav,{sentence}\n")
    example(tmp_path / "calls.csv", watch, tmp_path / "out", None)
    said = capsys.readouterr().out
    assert "miles" in said.lower()
    assert "base+bias: " in said
    assert " in 9 words" in said


@pytest.mark.parametrize("function", [asr_adapt.evaluate, asr_adapt.finetune, asr_adapt.transcribe])
def test_an_out_that_is_a_file_is_refused_before_anything_is_read(
    function: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "b.txt").write_text("")
    with pytest.raises(UsageError, match=r"b\.txt: is a file"):
        function(tmp_path / "nowhere", model="nowhere", out=str(tmp_path / "b.txt"))


@pytest.mark.parametrize("function", [asr_adapt.evaluate, asr_adapt.finetune])
def test_a_seed_below_zero_is_refused_before_anything_is_read(
    function: Callable[..., object], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="seed -1"):
        function(tmp_path / "nowhere", model="nowhere", out=tmp_path / "out", seed=-1)


def test_one_name_is_not_taken_apart_into_letters(toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:1])
    model = str(toy / "model")
    made = asr_adapt.evaluate(
        data, model=model, normaliser="raw", arms="base", also="csv", out=tmp_path / "run"
    )
    assert [arm.arm for arm in made.primary.scores.arms] == ["base"]
    assert list((tmp_path / "run/exports").rglob("scores.csv"))
    with pytest.raises(UsageError, match="--to ct3"):
        asr_adapt.export(tmp_path, model=model, to="ct3", out=tmp_path / "out")
    with pytest.raises(UsageError, match="no sound file"):
        asr_adapt.transcribe([], model=model, out=tmp_path / "out")
