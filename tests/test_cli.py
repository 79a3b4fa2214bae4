"""The command line: every bad input ends in one clear line and its exit code, and loses nothing."""

from __future__ import annotations

import errno
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pytest
import soundfile
from safetensors import SafetensorError

from asr_adapt import api
from asr_adapt.cli import cli, main
from asr_adapt.cli.common import EXIT_CODES
from asr_adapt.manifest import write_manifest
from asr_adapt.progress import ProgressDisplay
from asr_adapt.settings import Augmentation, TrainSettings
from tests.conftest import ROOT, RunProgram
from tests.toys import table, toy_base, toy_job, toy_rows, train_toy, write_csv


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the program in this process: as a user would, without seconds of imports."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["asr-adapt", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="module")
def adapter(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter trained on the toy's training speakers."""
    folder = tmp_path_factory.mktemp("adapter") / "lora"
    train_toy(toy, toy_job(toy), folder)
    return folder


@pytest.fixture
def model(toy: Path) -> Path:
    """The toy's weights."""
    return toy / "model"


def refused(outcome: Outcome, code: int, *parts: str) -> None:
    """Check that a command ended with one clear line that names what is wrong."""
    errors = [line for line in outcome.err.splitlines() if line.lower().startswith("error:")]
    assert outcome.code == code, outcome.err
    assert len(errors) == 1, outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    said = outcome.err[outcome.err.index(errors[0]) :]
    assert len(said.splitlines()) == 1, outcome.err
    for part in parts:
        assert part in said, outcome.err


@pytest.fixture
def finetune(call: Call, model: Path, tmp_path: Path) -> Call:
    """Run ``finetune`` with the toy's weights into ``tmp_path/out``."""

    def run(*arguments: object) -> Outcome:
        return call("finetune", "--model", model, "--out", tmp_path / "out", *arguments)

    return run


@pytest.fixture
def evaluate(call: Call, model: Path, tmp_path: Path) -> Call:
    """Run ``eval`` with the toy's weights into ``tmp_path/out``."""

    def run(*arguments: object) -> Outcome:
        return call("eval", "--model", model, "--out", tmp_path / "out", *arguments)

    return run


@pytest.fixture(params=["finetune", "evaluate"])
def reading(request: pytest.FixtureRequest, finetune: Call, evaluate: Call) -> Call:
    """Each of the two commands that read a user's data."""
    return finetune if request.param == "finetune" else evaluate


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Refusals before any work leave no output folder behind."""
    yield
    if "reading" in request.fixturenames:
        assert not (tmp_path / "out").exists()


def test_missing_data_is_named(reading: Call, tmp_path: Path) -> None:
    refused(reading(tmp_path / "nowhere.csv"), 3, "nowhere.csv")


@pytest.mark.parametrize("content", ["", "audio,text,speaker\n"], ids=["no byte", "no row"])
def test_an_empty_table_is_named(content: str, reading: Call, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text(content)
    refused(reading(tmp_path / "empty.csv"), 3, "empty.csv")


def test_a_binary_file_is_no_table(reading: Call, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(bytes(range(256)))
    refused(reading(tmp_path / "data.csv"), 3, "data.csv")


def spoil_missing(path: Path) -> None:
    path.unlink()


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_torn(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def spoil_corrupt(path: Path) -> None:
    path.write_bytes(b"\x00" * 1000)


def spoil_no_samples(path: Path) -> None:
    soundfile.write(path, [], 16_000)


@pytest.mark.parametrize(
    "spoil", [spoil_missing, spoil_empty, spoil_torn, spoil_corrupt, spoil_no_samples]
)
def test_bad_audio_is_named(
    spoil: Callable[[Path], None], reading: Call, toy: Path, tmp_path: Path
) -> None:
    data = table(toy, tmp_path, "train")
    bad = sorted((tmp_path / "clips").iterdir())[3]
    spoil(bad)
    refused(reading(data), 3, bad.name)


def test_bad_rows_can_be_left_out(evaluate: Call, toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:4])
    spoil_torn(sorted((tmp_path / "clips").iterdir())[1])
    outcome = evaluate(data, "--max-bad", 1)
    assert outcome.code == 0, outcome.err
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert len(record["excluded"]) == 1
    assert record["sets"][0]["utterances"] == 3


def test_too_long_a_reference_is_named(finetune: Call, toy: Path, tmp_path: Path) -> None:
    rows = toy_rows(toy, "train")[:8]
    rows[3] = replace(rows[3], reference="ship " * 100)
    outcome = finetune(table(toy, tmp_path, "train", rows))
    refused(outcome, 3, rows[3].audio_path.stem, "tokens long")
    assert not (tmp_path / "out").exists()


def test_a_test_speaker_in_the_split_column_is_refused(
    finetune: Call, toy: Path, tmp_path: Path
) -> None:
    rows = [
        replace(u, tags={"split": ("train", "dev", "test")[i % 3]}, speaker=f"s{i % 2}")
        for i, u in enumerate(toy_rows(toy, "train")[:9])
    ]
    table(toy, tmp_path, "train", rows)
    local = [replace(u, audio_path=Path("clips") / u.audio_path.name) for u in rows]
    data = write_csv(tmp_path / "split.csv", local, ["split"])
    refused(finetune(data), 3, "a speaker that is in training", "'s0'")


def test_a_test_speaker_in_training_is_refused(finetune: Call, toy: Path, tmp_path: Path) -> None:
    train = table(toy, tmp_path, "train")
    other = tmp_path / "other"
    other.mkdir()
    stranger = [replace(u, speaker="ann") for u in toy_rows(toy, "test")[:3]]
    test = table(toy, other, "test", stranger)
    refused(finetune(train, "--test", test), 3, "a speaker that is in training", "'ann'")
    assert not (tmp_path / "out").exists()


def test_general_speech_of_test_speakers_is_refused_before_training(
    finetune: Call, toy: Path, tmp_path: Path
) -> None:
    train, other = table(toy, tmp_path, "train"), tmp_path / "other"
    other.mkdir()
    rows = [replace(u, speaker="joe") for u in toy_rows(toy, "test")]
    general, test = table(toy, other, "dev", rows[:3]), table(toy, other, "test", rows[3:6])
    arguments = (train, "--general", general, "--test", test)
    refused(finetune(*arguments), 3, "a speaker that is in training", "'joe'")
    assert not (tmp_path / "out").exists()


def test_eval_on_training_speakers_is_refused_unless_told(
    evaluate: Call, adapter: Path, toy: Path, tmp_path: Path
) -> None:
    data = table(toy, tmp_path, "train", toy_rows(toy, "train")[16:20])
    refused(evaluate(data, "--adapter", adapter), 3, "a speaker that is in training", "'ann'")
    assert not (tmp_path / "out").exists()
    outcome = evaluate(data, "--adapter", adapter, "--allow-leaks")
    assert outcome.code == 0, outcome.err
    assert json.loads((tmp_path / "out/run.json").read_text())["leak_check"].startswith("LEAK")


@pytest.mark.parametrize("option", [None, "--general"], ids=["data", "general"])
def test_speech_that_nobody_has_written_down_is_refused_before_decoding(
    option: str | None, evaluate: Call, toy: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for u in toy_rows(toy, "test")[:2]:
        (bare / u.audio_path.name).write_bytes(u.audio_path.read_bytes())
    labelled = table(toy, tmp_path, "test", toy_rows(toy, "test")[:2])
    outcome = evaluate(labelled, option, bare) if option else evaluate(bare)
    refused(outcome, 3, f"{bare}: ", "none of 2 utterances has a text", "asr-adapt transcribe")
    assert not (tmp_path / "out").exists()


def test_general_speech_that_was_trained_on_is_said_and_reported(
    evaluate: Call, adapter: Path, toy: Path, tmp_path: Path
) -> None:
    heard = table(toy, tmp_path, "train", toy_rows(toy, "train")[16:20])
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:2])
    outcome = evaluate(data, "--general", heard, "--adapter", adapter)
    assert outcome.code == 0, outcome.err
    found = "LEAK: general set train.csv: 4 of 4 test utterances have a speaker"
    assert found in outcome.err
    said = json.loads((tmp_path / "out/run.json").read_text())["leak_check"]
    assert said.startswith(found)
    assert said.endswith("no test speaker, recording or sound is in the training or dev data")


def test_an_adapter_for_another_base_is_refused(
    call: Call, adapter: Path, toy: Path, tmp_path: Path
) -> None:
    other = toy_base(toy)
    next(other.network.parameters()).data.add_(1.0)
    network = other.whisper
    network.save_pretrained(tmp_path / "model")
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        source = toy / "model" / name
        if source.exists():
            (tmp_path / "model" / name).write_bytes(source.read_bytes())
    data = table(toy, tmp_path, "test")
    arguments = ("eval", data, "--model", tmp_path / "model", "--adapter", adapter)
    refused(call(*arguments, "--out", tmp_path / "out"), 3, str(adapter), "not on")
    assert not (tmp_path / "out").exists()


def test_data_of_the_hub_is_asked_for(call: Call, model: Path, tmp_path: Path) -> None:
    """By every command that reads data; tests are offline, so it cannot be had."""
    for words in (("eval",), ("finetune",), ("pseudo",), ("pick",)):
        out = ("--out", tmp_path / words[0])
        outcome = call(*words, "nobody/calls", "--model", model, *out)
        refused(outcome, 4, "data set nobody/calls")


@pytest.mark.parametrize("name", ["whisper-huge", "nobody/nothing", "./nowhere"])
def test_an_unknown_model_is_named(name: str, call: Call, toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "test")
    for command in ("eval", "finetune"):
        outcome = call(command, data, "--model", name, "--out", tmp_path / "out")
        refused(outcome, 4, name)
        assert not (tmp_path / "out").exists()


def test_an_unknown_normaliser_is_named_before_anything_is_read(
    reading: Call, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_bytes(bytes(range(256)))
    refused(reading(tmp_path / "data.csv", "--normaliser", "klingon"), 2, "klingon")


@pytest.mark.parametrize("content", ["", "# only a comment\n\n"])
def test_an_empty_bias_file_is_named(
    content: str, evaluate: Call, toy: Path, tmp_path: Path
) -> None:
    (tmp_path / "ships.txt").write_text(content)
    outcome = evaluate(table(toy, tmp_path, "test"), "--bias", tmp_path / "ships.txt")
    refused(outcome, 3, "ships.txt", "one phrase a line")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--arms", "base,lore", "lore"),
        ("--beam-size", "0", "beam_size"),
        ("--prompt-budget", "300", "300"),
        ("--prompt-template", "ships", "{phrases}"),
        ("--device", "abacus", "abacus"),
        ("--prompt-template", "{phrases} {x}", "nothing stands for {x}"),
        ("--seed", "-1", "--seed"),
        ("--long", "sometimes", "sometimes"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    option: str, value: str, says: str, evaluate: Call, toy: Path, tmp_path: Path
) -> None:
    outcome = evaluate(table(toy, tmp_path, "test"), option, value)
    refused(outcome, 2, says)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--epochs", "0", "epochs"),
        ("--batch-size", "0", "batch_size"),
        ("--learning-rate", "0", "learning_rate"),
        ("--rank", "0", "rank"),
        ("--general-clips", "5", "--general"),
        ("--method", "most", "most"),
    ],
)
def test_training_options_that_make_no_sense_are_refused(
    option: str, value: str, says: str, finetune: Call, toy: Path, tmp_path: Path
) -> None:
    refused(finetune(table(toy, tmp_path, "train"), option, value), 2, says)
    assert not (tmp_path / "out").exists()


def test_the_most_clips_of_general_speech_reach_the_training(
    finetune: Call, toy: Path, tmp_path: Path
) -> None:
    rows = toy_rows(toy, "train")[:16]
    data = table(toy, tmp_path, "train", rows)
    few = ("--general", table(toy, tmp_path, "dev"), "--general-clips")
    refused(finetune(data, *few, -1), 2, "replay clips")
    outcome = finetune(data, "--epochs", 1, *few, 4)
    assert outcome.code == 0, outcome.err
    card = json.loads((tmp_path / "out/asr_adapt.json").read_text())
    assert card["settings"]["replay"]["clips"] == 4


def test_an_output_folder_in_use_is_left_alone(
    call: Call, adapter: Path, evaluate: Call, model: Path, toy: Path, tmp_path: Path
) -> None:
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:3])
    assert evaluate(data).code == 0
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    refused(evaluate(data), 2, str(tmp_path / "out"), "--resume")
    assert before == {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    card = (adapter / "asr_adapt.json").read_bytes()
    outcome = call("finetune", table(toy, tmp_path, "train"), "--model", model, "--out", adapter)
    refused(outcome, 2, str(adapter), "another --out")
    assert (adapter / "asr_adapt.json").read_bytes() == card


def test_recipes_with_unknown_keys_and_odd_overrides_are_refused(
    call: Call, tmp_path: Path
) -> None:
    toy_recipe = ROOT / "recipes/toy/recipe.toml"
    copy = tmp_path / "recipe.toml"
    copy.write_text(toy_recipe.read_text() + "\nspeed = 3\n[oven]\nheat = 180\n")
    refused(call("run", copy, "--out", tmp_path / "out"), 2, "recipe.toml", "oven", "train.speed")
    refused(call("run", toy_recipe, "--set", "train.epoch=3"), 2, "train.epoch: unknown key")
    refused(call("run", toy_recipe, "--set", "epochs"), 2, "key=value")
    refused(call("run", tmp_path / "no.toml"), 2, "no.toml")


@pytest.mark.parametrize("command", ["score", "report"])
def test_what_is_no_run_is_named(command: str, call: Call, tmp_path: Path) -> None:
    arguments = ["--out", tmp_path / "out"] if command == "report" else []
    refused(call(command, tmp_path / "nowhere", *arguments), 3, "nowhere")


def all_commands() -> dict[str, click.Command]:
    """Return every command by its words."""
    found: dict[str, click.Command] = {}
    for name, command in cli.commands.items():
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": c for inner, c in command.commands.items()}
        else:
            found[name] = command
    return found


@pytest.mark.parametrize("name", all_commands())
def test_help_shows_an_example_defaults_and_exit_codes(name: str, call: Call) -> None:
    command = all_commands()[name]
    outcome = call(*name.split(), "--help")
    assert outcome.code == 0
    has_input = any(isinstance(p, click.Argument) for p in command.params)
    if has_input:
        assert re.search(rf"^\s+asr-adapt {name} \S+", outcome.out, re.MULTILINE)
    assert EXIT_CODES.removeprefix("\b\n") in outcome.out
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            assert parameter.help, parameter.name
            if isinstance(parameter.default, int | float | str):
                shown = parameter.show_default or "[default:" in parameter.help
                assert shown, parameter.name


def test_an_unknown_command_or_option_is_a_usage_error(call: Call) -> None:
    assert call("evaluate").code == 2
    assert call("eval", "--colour").code == 2
    assert call("--version").out.startswith("asr-adapt")


def test_quiet_is_quiet(evaluate: Call, toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "test", toy_rows(toy, "test")[:2])
    outcome = evaluate(data, "--arms", "base", "--quiet")
    assert outcome.err == ""
    assert "base" in outcome.out


def test_what_to_do_next_can_be_typed(
    call: Call, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my model").symlink_to(toy / "model")
    monkeypatch.chdir(tmp_path)
    data = table(toy, tmp_path, "train", toy_rows(toy, "train")[:16])
    options = ("--model", "my model", "--out", "my adapter", "--epochs", 1)
    done = call("finetune", data, *options)
    assert done.code == 0, done.err
    expected = "asr-adapt eval TEST --model 'my model' --adapter 'my adapter' --out RUN"
    assert done.out.splitlines()[-1] == f"next: {expected}"
    told = {"TEST": str(table(toy, tmp_path, "test", toy_rows(toy, "test")[:1]))}
    words = [told.get(word, word) for word in shlex.split(expected)[1:]]
    decoded = call(*words)
    assert decoded.code == 0, decoded.err


def test_options_that_would_do_nothing_are_refused(
    evaluate: Call, finetune: Call, call: Call, toy: Path, tmp_path: Path
) -> None:
    data = table(toy, tmp_path, "test")
    refused(evaluate(data, "--strength", 0.5), 2, "--strength: needs --adapter")
    out = ("--model", toy / "model", "--out", tmp_path / "bias.toml")
    refused(call("tune-bias", data, *out, "--strength", 0.5), 2, "--strength: needs --adapter")
    refused(finetune(data, "--method", "full", "--rank", 4), 2, "--rank: --method full")


@pytest.mark.parametrize(("clean", "says"), [(0, "none of 6 training"), (2, "2 of 6 training")])
def test_finetune_says_how_many_utterances_go_through_the_channel(
    clean: int, says: str, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        replace(u, tags={"channel": "clean"} if i < clean else {})
        for i, u in enumerate(toy_rows(toy, "train")[:6])
    ]
    table(toy, tmp_path, "train", rows)
    local = [replace(u, audio_path=Path("clips") / u.audio_path.name) for u in rows]
    data = write_csv(tmp_path / "train.csv", local, ["channel"])
    said: list[str] = []
    display = ProgressDisplay(quiet=True)
    monkeypatch.setattr(display, "say", said.append)
    dev = table(toy, tmp_path, "dev")
    settings = TrainSettings(augment=Augmentation(channel="vhf"))
    api.training_job(data, settings=settings, dev=dev, session=api.Session(display))
    assert any(line.startswith(f"channel vhf: {says}") for line in said), said


@pytest.mark.parametrize("language", ["zz", "english"])
def test_a_language_the_model_does_not_know_is_named_with_its_utterance(
    language: str, reading: Call, toy: Path, tmp_path: Path
) -> None:
    rows = toy_rows(toy, "train")
    rows[3] = replace(rows[3], language=language)
    table(toy, tmp_path, "train", rows)
    data = tmp_path / "data.jsonl"
    clips = tmp_path / "clips"
    write_manifest(data, [replace(u, audio_path=clips / u.audio_path.name) for u in rows])
    who = f"utterance '{rows[3].utterance_id}': language '{language}'"
    refused(reading(data), 3, who, "1 of ", "such as whisper-base")


@pytest.mark.parametrize("command", ["pseudo", "pick", "tune-bias", "transcribe"])
def test_a_language_the_model_does_not_know_is_refused_before_anything_is_written(
    command: str, call: Call, model: Path, toy: Path, tmp_path: Path
) -> None:
    rows = [replace(u, context=("ada",)) for u in toy_rows(toy, "dev")]
    if command in ("pseudo", "pick"):
        rows = [replace(u, reference=None) for u in rows]
    data = table(toy, tmp_path, "dev", rows)
    what = rows[0].audio_path if command == "transcribe" else data
    budget = ("--count", 1) if command == "pick" else ()
    out = tmp_path / "out"
    arguments = (command, what, "--model", model, "--out", out, "--language", "zz", *budget)
    refused(call(*arguments), 3, "language 'zz'", "such as whisper-base")
    assert not out.exists()


# --- where results go ----------------------------------------------------------------------------


def outputs() -> Iterator[tuple[str, bool]]:
    """Yield each command with ``--out`` and whether that is a file."""
    for name, command in all_commands().items():
        if any("--out" in parameter.opts for parameter in command.params):
            yield name, name in ("data tasks", "pick", "tune-bias")


INPUTS = {
    "eval": ("x.csv", "--model", "m"),
    "finetune": ("x.csv", "--model", "m"),
    "report": ("x",),
    "run": (ROOT / "recipes/toy/recipe.toml",),
    "data prepare": ("x.csv",),
    "data tasks": ("x.csv",),
    "transcribe": ("x.wav", "--model", "m"),
    "export": ("x", "--model", "m"),
    "new-recipe": ("x", "--from", "x.csv"),
    "pseudo": ("x.csv", "--model", "m"),
    "synth": ("--text", "x.txt"),
    "pick": ("x.csv", "--model", "m"),
    "tune-bias": ("x.csv", "--model", "m"),
}


@pytest.mark.parametrize(("name", "is_file"), list(outputs()))
def test_an_out_of_the_wrong_kind_is_refused_before_work(
    name: str, is_file: bool, call: Call, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    command = (*name.split(), *INPUTS[name])
    refused(call(*command, "--out", taken / "below"), 2, f"{taken}: ", "--out")
    wrong = tmp_path if is_file else taken
    refused(call(*command, "--out", wrong), 2, f"{wrong}: ", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_disk_that_cannot_be_written_is_no_bug(call: Call, toy: Path, tmp_path: Path) -> None:
    data = table(toy, tmp_path, "train")
    outcome = call("data", "prepare", data, "--out", "/proc/nowhere")
    refused(outcome, 4, "/proc/nowhere: No such file or directory", "what is done is kept")


def fail_with(error: Exception) -> Callable[[], None]:
    """Return a function that fails so."""

    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "full",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
    ],
)
def test_a_full_disk_is_named_without_a_file_too(
    call: Call, monkeypatch: pytest.MonkeyPatch, full: Exception
) -> None:
    monkeypatch.setattr("asr_adapt.doctor.diagnose", fail_with(full))
    refused(call("doctor"), 4, "error: No space left on device; ")


def test_a_bug_of_ours_is_one_line_to_report(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_adapt.doctor.diagnose", fail_with(ZeroDivisionError("by\nzero")))
    refused(call("doctor"), 70, "ZeroDivisionError: by zero", "report it", "--verbose")
    shown = call("doctor", "--verbose")
    assert shown.code == 70
    assert "Traceback" in shown.err
    assert shown.err.splitlines()[-1].startswith("error: a bug in asr-adapt: ")


@pytest.mark.slow
def test_the_whole_way_on_a_users_own_table(
    run_program: RunProgram, model: Path, toy: Path, tmp_path: Path
) -> None:
    """In processes of their own: results on stdout, progress on stderr, no word of libraries."""
    train = table(toy, tmp_path, "train")
    trained = run_program(
        *("finetune", train, "--model", model, "--out", tmp_path / "adapter", "--epochs", 1)
    )
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.startswith("adapter: ")
    assert len(trained.stdout.splitlines()) == 2
    test = table(toy, tmp_path, "test", toy_rows(toy, "test")[:6])
    arguments = ("--model", model, "--adapter", tmp_path / "adapter", "--out", tmp_path / "run")
    decoded = run_program("eval", test, *arguments)
    assert decoded.returncode == 0, decoded.stderr
    for arm in ("base", "base+bias", "lora", "lora+bias"):
        assert arm in decoded.stdout
    assert decoded.stdout.splitlines()[-1] == f"report: {tmp_path / 'run' / 'report.html'}"
    scored = run_program("score", tmp_path / "run")
    assert scored.stdout == decoded.stdout
    for run in (trained, decoded, scored):
        assert "arning" not in run.stderr
        assert "deprecated" not in run.stderr.lower()
    for line in [*trained.stderr.splitlines(), *decoded.stderr.splitlines()]:
        assert re.search(r"asr-adapt starts|utterances|\d+/\d+|^dev: ", line), line
