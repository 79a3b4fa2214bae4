"""Every command speaks alike, explains every option, has its page and completes in a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from asr_adapt.cli import cli, main
from asr_adapt.cli.common import commands_below, how_to_go_on
from asr_adapt.config import load_recipe
from asr_adapt.records import Hypothesis
from asr_adapt.unlabelled import views
from tests.conftest import ROOT, RunProgram, load_script
from tests.structure.test_house import commands as calls_in
from tests.structure.test_house import find_command
from tests.toys import table, toy_job, toy_rows, train_toy

COMMANDS = dict(commands_below(cli))
OPTIONS = [
    pytest.param(option, id=f"{words} {option.opts[0]}")
    for words, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]
NUMBERS = (click.types.IntParamType, click.types.FloatParamType)
UNITS = (
    *("utterances", "stretches", "rows", "clips", "tokens", "beams", "passes", "points", "nats"),
    *("minutes", "seconds", "0 to 1", "a number", "per step", "numbers per row", "adapters"),
)


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_says_what_it_sets_its_default_and_its_unit(option: click.Option) -> None:
    said = option.help or ""
    assert len(said.split()) >= 3, "needs a sentence"
    if not option.is_flag:
        assert option.required or option.show_default or "[default: " in said
    if isinstance(option.type, NUMBERS):
        assert any(unit in said.lower() for unit in UNITS), "needs a unit"


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_has_json_quiet_and_verbose(words: str) -> None:
    known = {name for p in COMMANDS[words].params for name in p.opts}
    assert {"--json", "--quiet", "--verbose"} <= known


# --- one object on standard output ---------------------------------------------------------------

Call = Callable[..., dict[str, object]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command with ``--json`` and return its object, the only thing on standard output."""

    def run(words: str, *arguments: object, code: int = 0) -> dict[str, object]:
        command = [*words.split(), *map(str, arguments), "--json"]
        monkeypatch.setattr(sys, "argv", ["asr-adapt", *command])
        capsys.readouterr()
        left = 0
        try:
            main()
        except SystemExit as leaving:
            left = leaving.code if isinstance(leaving.code, int) else 1
        printed = capsys.readouterr()
        assert left == code, printed.err
        assert len(printed.out.splitlines()) == 1
        found = json.loads(printed.out)
        assert isinstance(found, dict)
        seen.add(words)
        return found

    return run


RECIPE = """
name = "few"
title = "Few"
model = "toy/model"
normaliser = "raw"
arms = ["base"]
[[prepare]]
name = "few"
script = "prepare.py"
[[test]]
name = "few"
title = "Few"
manifest = "toy/few.jsonl"
"""

seen: set[str] = set()
"""Commands whose object was looked at in this process."""


@pytest.fixture
def decoded(call: Call, toy: Path, tmp_path: Path) -> Path:
    """A run of two utterances."""
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:2])
    run = tmp_path / "run"
    result = call("eval", data, "--model", toy / "model", "--normaliser", "raw", "--out", run)
    assert Path(str(result["report"])).is_file()
    return run


def test_what_eval_says_is_what_the_report_says(call: Call, decoded: Path) -> None:
    said = call("score", decoded)
    report = json.loads((decoded / "report.json").read_text())
    assert said["sets"][0]["arms"] == report["arms"]  # type: ignore[index]
    both = call("report", decoded, "--out", decoded / "again")
    assert both["sets"] == said["sets"]


def test_an_adapter_is_named_by_its_hash(call: Call, toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "train", toy_rows(toy, "train")[:12])
    made = ("--model", toy / "model", "--normaliser", "raw", "--out", tmp_path / "lora")
    first = call("finetune", data, *made, "--epochs", 1)
    card = json.loads((tmp_path / "lora" / "asr_adapt.json").read_text())
    assert first["weights_sha256"] == card["weights_sha256"]
    assert call("finetune", data, *made, "--epochs", 1, "--resume") == first


def test_data_as_an_object(call: Call, decoded: Path, toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "train")
    assert call("data inspect", data)["utterances"] == 16
    counts = call("data prepare", data, "--out", tmp_path / "parts")["utterances"]
    assert isinstance(counts, dict)
    assert sum(counts.values()) == 16
    recipe = call("new-recipe", "own", "--from", data, "--out", tmp_path / "recipes")["recipe"]
    assert load_recipe(Path(str(recipe))).name == "own"
    tasks = call("data tasks", decoded, "--all", "--out", tmp_path / "tasks.json")
    assert len(json.loads((tmp_path / "tasks.json").read_text())) == tasks["count"]


def test_labels_and_picks_as_an_object(
    call: Call, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for u in toy_rows(toy, "test")[:2]:
        shutil.copy(u.audio_path, clips)

    def agree(*arguments: Any) -> None:
        _, batch, _, arms, _, log = arguments
        log.append([Hypothesis(u.utterance_id, arm.name, "ship") for arm in arms for u in batch])

    monkeypatch.setattr(views, "decode_view", agree)  # a random model agrees with nobody
    weights = ("--model", toy / "model", "--normaliser", "raw")
    labels = call("pseudo", clips, *weights, "--out", tmp_path / "labels")
    assert labels["kept"] == len(Path(str(labels["labels"])).read_text().splitlines())
    picks = call("pick", clips, *weights, "--count", 1, "--out", tmp_path / "picks.csv")
    assert picks["clips"] == len(list(picks["utterance_ids"]))  # type: ignore[call-overload]


def test_small_ones_as_an_object(call: Call, tmp_path: Path) -> None:
    assert "complete" in str(call("completion", "bash")["script"])
    voices = call("synth", "--voices", "list", "--text", "none", "--out", tmp_path)["voices"]
    assert {"name", "source", "licence"} <= set(voices[0])  # type: ignore[index]


def test_transcripts_and_tuning_as_an_object(call: Call, toy: Path, tmp_path: Path) -> None:
    clip = toy_rows(toy, "test")[0].audio_path
    written = call("transcribe", clip, "--model", toy / "model", "--out", tmp_path)["written"]
    assert all(Path(path).is_file() for path in written)  # type: ignore[attr-defined]
    dev = table(toy, tmp_path, "dev", toy_rows(toy, "dev")[:2])
    weights = ("--model", toy / "model", "--normaliser", "raw", "--modes", "prompt", "--beams", 1)
    found = call("tune-bias", dev, *weights, "--out", tmp_path / "bias.toml")
    assert found["settings"] == str(tmp_path / "bias.toml")


def test_an_export_as_an_object(call: Call, toy: Path, tmp_path: Path) -> None:
    weights = train_toy(toy, toy_job(toy), tmp_path / "lora").weights_sha256
    done = call("export", tmp_path / "lora", "--model", toy / "model", "--out", tmp_path / "deploy")
    assert done == {"folders": {"hf": str(tmp_path / "deploy" / "hf")}, "compared": []}
    record = json.loads((tmp_path / "deploy" / "hf" / "export.json").read_text())
    assert record["adapter"]["weights_sha256"] == weights


def test_an_error_leaves_standard_output_empty(run_program: RunProgram, tmp_path: Path) -> None:
    done = run_program("score", tmp_path / "nowhere", "--json", "--verbose")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("\nerror: ") == 1
    assert "Traceback" in done.stderr  # only because --verbose asks for it


def test_quiet_and_verbose_exclude_each_other(run_program: RunProgram) -> None:
    done = run_program("doctor", "--quiet", "--verbose")
    assert (done.returncode, done.stdout) == (2, "")


def test_the_doctor_as_an_object(call: Call) -> None:
    found = call("doctor")["findings"]
    assert set(found[0]) == {"area", "status", "what", "advice"}  # type: ignore[index]


def test_a_recipe_as_an_object(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the scripts of a recipe print is not on standard output."""
    shutil.copytree(toy, tmp_path / "data/toy")
    lines = (tmp_path / "data/toy/test.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "data/toy/few.jsonl").write_text("".join(lines[:2]))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "prepare.py").write_text("print('fetching')\n")
    arguments = ("run", tmp_path / "recipe.toml", "--out", tmp_path / "run", "--json")
    monkeypatch.setattr(sys, "argv", list(map(str, ("asr-adapt", *arguments))))
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    cli.main([*map(str, arguments), "--data", "data"], standalone_mode=False)
    printed = capfd.readouterr()
    assert json.loads(printed.out)["report"] == str(tmp_path / "run/report.html")
    assert "fetching" in printed.err
    seen.add("run")


# --- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS)
def test_the_advice_after_a_stop_names_no_option_that_is_not_there(words: str) -> None:
    command = COMMANDS[words]
    has_option = any("--resume" in parameter.opts for parameter in command.params)
    assert ("--resume" in how_to_go_on(command)) == has_option


# --- pages ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    """The script that writes the pages."""
    return load_script(ROOT / "scripts/docs")


def test_the_pages_say_what_the_code_says(docs: ModuleType) -> None:
    assert list(docs.problems(docs.PAGES)) == []


def test_old_missing_and_left_over_pages_are_found(docs: ModuleType, tmp_path: Path) -> None:
    assert docs.main(["--out", str(tmp_path)]) == 0
    assert docs.main(["--out", str(tmp_path), "--check"]) == 0
    (tmp_path / "run.md").unlink()
    (tmp_path / "eval.md").write_text("old")
    (tmp_path / "fly.md").write_text("no such command")
    found = list(docs.problems(tmp_path))
    assert [Path(line.partition(":")[0]).name for line in found] == ["eval.md", "run.md", "fly.md"]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_page_names_every_option_and_its_examples_exist(words: str, docs: ModuleType) -> None:
    page = docs.render_page(words, COMMANDS[words])
    for option in COMMANDS[words].params:
        assert not isinstance(option, click.Option) or f"`{option.opts[0]}" in page
    examples = calls_in(page, "asr-adapt")
    assert examples, "needs an example"
    for example in examples:
        known = {name for p in find_command(example[1:]).params for name in p.opts}
        assert {word for word in example if word.startswith("--")} <= known


# --- completion ----------------------------------------------------------------------------------


def complete(script: str, *typed: str) -> list[str]:
    """Return what bash offers after some words, by the function that the script registers."""
    words = " ".join(f"'{word}'" for word in ("asr-adapt", *typed))
    lines = f"""
        {script}
        name=$(complete -p asr-adapt | sed -E 's/.* -F ([^ ]+) .*/\\1/')
        COMP_WORDS=({words}); COMP_CWORD={len(typed)}
        $name asr-adapt; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", lines],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": path},
    )
    return done.stdout.split()


def test_bash_completes_commands_options_and_values(call: Call) -> None:
    script = str(call("completion", "bash")["script"])
    assert complete(script, "tr") == ["transcribe"]
    assert set(complete(script, "data", "")) == {"inspect", "prepare", "tasks"}
    assert "--bias-mode" in complete(script, "eval", "--bias")
    assert complete(script, "eval", "--bias-mode", "ret") == ["retrieve"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_script(shell: str, call: Call) -> None:
    script = str(call("completion", shell)["script"])
    assert f"_ASR_ADAPT_COMPLETE={shell}_complete" in script


def test_every_command_was_asked_for_its_object() -> None:
    """Keep last: a command added without a test of its ``--json`` is named here."""
    if len(seen) > 5:  # the tests above ran here
        assert set(COMMANDS) - seen == set()
