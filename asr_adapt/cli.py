"""The command line: options to function calls, errors to exit codes; no other logic.

Imports that take seconds stand inside the commands that need them, so that ``--help`` is quick and
``score`` and ``report`` run without torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr_adapt import __version__
from asr_adapt.cli_options import (
    PATH,
    SEED,
    machine_options,
    normaliser_option,
    prompt_options,
    reading_options,
)
from asr_adapt.errors import AsrAdaptError, DataError, UsageError
from asr_adapt.records import ARMS
from asr_adapt.settings import CHANNELS, METHODS, REPORTERS

if TYPE_CHECKING:
    from asr_adapt.own_data import ReadingRules
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.report.results import Report
    from asr_adapt.stopping import StopRequest

EXIT_CODES = """\b
Exit codes: 0 done, 2 usage, 3 bad data, 4 environment, 75 stopped and resumable."""


def main() -> None:
    """Run the command line and turn errors into one line and an exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        cli.main(standalone_mode=False, prog_name="asr-adapt")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except AsrAdaptError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "error: stopped; start it again to go on (eval, finetune: with --resume)", err=True
        )
        sys.exit(75)


@click.group(epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="asr-adapt")
def cli() -> None:
    """Adapt speech recognition to a noisy domain, and measure what it brings.

    \b
    asr-adapt eval calls.csv --model whisper-tiny.en --out runs/base
    asr-adapt finetune train.csv --model whisper-tiny.en --out adapters/calls
    asr-adapt eval test.csv --model whisper-tiny.en --adapter adapters/calls --out runs/calls
    """


@contextmanager
def working(quiet: bool) -> Iterator[tuple[StopRequest, ProgressDisplay]]:
    """Listen to signals and show progress while a command works."""
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.stopping import stop_on_signals

    with stop_on_signals() as stop, ProgressDisplay(quiet) as display:
        display.say("asr-adapt starts")
        yield stop, display


def command_line() -> list[str]:
    """Return the command as it was typed."""
    return ["asr-adapt", *sys.argv[1:]]


def show(report: Report, out_dir: Path) -> None:
    """Print the table of a report and where it lies."""
    from rich.console import Console

    from asr_adapt.report.console import render_table

    Console(soft_wrap=True).print(render_table(report))
    click.echo(f"report: {out_dir / 'report.html'}")


@cli.command("eval", epilog=EXIT_CODES)
@click.argument("data", type=PATH)
@click.option("--model", required=True, help="Base model: short name, hub id or folder.")
@click.option("--adapter", type=PATH, help="Folder that finetune wrote.")
@click.option("--bias", type=PATH, help="File with phrases that may be said, one a line.")
@click.option("--out", type=PATH, required=True, help="Run directory to write.")
@click.option(
    "--arms",
    metavar="LIST",
    default=",".join(ARMS),
    show_default=True,
    help="Arms to decode, of those that apply.",
)
@click.option("--general", type=PATH, help="General speech, to see what the adapter forgot.")
@click.option("--split", default="test", show_default=True, help="Rows to use if data has splits.")
@click.option("--beam-size", default=1, show_default=True, help="Beams; 1 is greedy.")
@click.option("--batch-size", default=8, show_default=True, help="Utterances decoded together.")
@click.option("--allow-leaks", is_flag=True, help="Go on if test speech was trained on.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@normaliser_option
@prompt_options
@reading_options
@machine_options
def eval_command(
    data: Path,
    model: str,
    adapter: Path | None,
    bias: Path | None,
    out: Path,
    arms: str,
    general: Path | None,
    split: str,
    beam_size: int,
    batch_size: int,
    allow_leaks: bool,
    resume: bool,
    normaliser: str,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    seed: int,
    quiet: bool,
    rules: ReadingRules,
) -> None:
    """Decode DATA with every arm that applies, and compare.

    DATA is a CSV or TSV with columns audio and text (speaker, context if you have them), a
    manifest, or a folder of audio with one .txt each. Without context and --bias there are no
    +bias arms; without --adapter no lora arms.

    \b
    asr-adapt eval calls.csv --model whisper-base --bias ships.txt --out runs/ships
    """
    with working(quiet) as (stop, display):
        from asr_adapt.adapter import read_card
        from asr_adapt.bias import read_bias_list
        from asr_adapt.evaluate import EvaluationJob, TestSet, evaluate
        from asr_adapt.own_data import read_checked, refuse_leaks, select_for_test
        from asr_adapt.report.build import build_report
        from asr_adapt.settings import DecodeSettings, PromptSettings
        from asr_adapt.splits import Fingerprint, check_against
        from asr_adapt.text import get_normaliser
        from asr_adapt.weights import resolve_weights

        get_normaliser(normaliser)
        checked = read_checked(data, rules, display)
        rows = select_for_test(checked, split, display.say)
        sets = [TestSet("test", "domain", data.name, rows)]
        if general:
            speech = read_checked(general, rules, display).utterances
            sets.append(TestSet("general", "general", general.name, speech))
        stop.check()
        leak_check = ""
        if adapter:
            trained_on = Fingerprint.from_json(read_card(adapter).trained_on)
            leak_check = refuse_leaks(
                lambda: check_against(trained_on, rows), allow_leaks, display.say
            )
        job = EvaluationJob(
            sets=sets,
            weights=resolve_weights(model),
            adapter=adapter,
            bias_list=read_bias_list(bias) if bias else None,
            prompts=PromptSettings(prompt_template, prompt_budget),
            decode=DecodeSettings(batch_size, beam_size),
            normaliser=normaliser,
            device=device,
            seed=seed,
            arms=parse_arms(arms),
            command=command_line(),
            leak_check=leak_check,
            excluded=checked.excluded,
        )
        evaluate(job, out, resume=resume, stop=stop, progress_for=display.start)
        report = build_report([out], out, seed=seed)
    show(report, out)


def parse_arms(text: str) -> tuple[str, ...]:
    """Split a list of arms.

    Raises:
        UsageError: an arm that does not exist.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in ARMS:
            raise UsageError(f"--arms: '{name}' is unknown (known: {', '.join(ARMS)})")
    return names


@cli.command(epilog=EXIT_CODES)
@click.argument("data", type=PATH)
@click.option("--model", required=True, help="Base model: short name, hub id or folder.")
@click.option("--out", type=PATH, required=True, help="Folder for the adapter.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="lora",
    show_default=True,
    help="What is trained: an adapter or all weights.",
)
@click.option(
    "--dev",
    type=PATH,
    help="Speech to choose the best step with.  [default: a tenth of DATA, by speaker]",
)
@click.option("--test", type=PATH, help="Test speech, only to make sure none of it is in DATA.")
@click.option(
    "--general", type=PATH, help="General speech with text, mixed in so that it is not forgotten."
)
@click.option("--epochs", default=3, show_default=True, help="Passes over the data.")
@click.option("--batch-size", default=8, show_default=True, help="Utterances a step.")
@click.option(
    "--learning-rate",
    type=float,
    help="Peak learning rate.  [default: 5e-4 for lora, 2e-5 for full]",
)
@click.option("--rank", default=16, show_default=True, help="LoRA rank.")
@click.option(
    "--channel",
    type=click.Choice(CHANNELS),
    default="none",
    show_default=True,
    help="Radio or telephone channel put on rows tagged channel=clean.",
)
@click.option(
    "--report-to",
    type=click.Choice(REPORTERS),
    default="none",
    show_default=True,
    help="Where the Trainer logs as well.",
)
@click.option("--allow-leaks", is_flag=True, help="Go on if test speech is in DATA.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@normaliser_option
@prompt_options
@reading_options
@machine_options
def finetune(
    data: Path,
    model: str,
    out: Path,
    method: str,
    dev: Path | None,
    test: Path | None,
    general: Path | None,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    rank: int,
    channel: str,
    report_to: str,
    allow_leaks: bool,
    resume: bool,
    normaliser: str,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    seed: int,
    quiet: bool,
    rules: ReadingRules,
) -> None:
    """Train an adapter on DATA and choose its best step by decoded dev WER.

    \b
    asr-adapt finetune train.csv --model whisper-tiny.en --out adapters/calls
    """
    with working(quiet) as (stop, display):
        from asr_adapt.adapter import CARD_NAME, read_card
        from asr_adapt.model import load_base, pick_device
        from asr_adapt.own_data import read_checked, refuse_leaks, select_for_test, training_data
        from asr_adapt.recipe import training_line
        from asr_adapt.settings import Augmentation, LoraSettings, PromptSettings, TrainSettings
        from asr_adapt.splits import check_leaks
        from asr_adapt.text import get_normaliser
        from asr_adapt.train import finetune as run_training
        from asr_adapt.train_job import TrainJob
        from asr_adapt.weights import resolve_weights

        get_normaliser(normaliser)
        if (out / CARD_NAME).exists():
            if not resume:
                raise UsageError(f"{out}: holds an adapter already; use another --out")
            display.say(f"{out}: finished already")
            show_adapter(read_card(out), out)
            return
        settings = TrainSettings(
            method=method,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            lora=LoraSettings(rank=rank, alpha=2 * rank),
            augment=Augmentation(channel=channel),
        )
        checked = read_checked(data, rules, display)
        dev_data = read_checked(dev, rules, display) if dev else None
        chosen = training_data(checked, dev_data, seed, display.say)
        stop.check()
        held_out = [u for u in checked.utterances if u.tags.get("split") == "test"]
        if test:
            tests = read_checked(test, rules, display)
            held_out += select_for_test(tests, "test", display.say)
        refuse_leaks(
            lambda: check_leaks([*chosen.train, *chosen.dev], held_out, phrase_groups=False),
            allow_leaks,
            display.say,
        )
        replay = read_checked(general, rules, display).utterances if general else []
        job = TrainJob(
            train=[*chosen.train, *replay],
            dev=chosen.dev,
            settings=settings,
            prompts=PromptSettings(prompt_template, prompt_budget),
            normaliser=normaliser,
            seed=seed,
            command=command_line(),
            report_to=report_to,
        )
        base = load_base(resolve_weights(model), pick_device(device))
        card = run_training(
            base,
            job,
            out,
            resume=resume,
            stop=stop,
            observer=training_line(display),
            notice=display.say,
        )
    show_adapter(card, out)


def show_adapter(card: Any, out: Path) -> None:
    """Print what was trained and what to do with it."""
    best = next(row["wer"] for row in card.dev_wer if row["step"] == card.chosen_step)
    click.echo(
        f"adapter: {out}  step {card.chosen_step} of {card.steps}, dev WER {100 * best:.1f} %, "
        f"{card.label_minutes:.0f} min of labels, {card.training_s:.0f} s, "
        f"sha256 {card.weights_sha256[:12]}"
    )
    click.echo(f"next: asr-adapt eval TEST --model {card.base_name} --adapter {out} --out RUN")


@cli.command(epilog=EXIT_CODES)
@click.argument("runs", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, required=True, help="Folder for the report.")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of the intervals.")
def report(runs: tuple[Path, ...], out: Path, seed: int) -> None:
    """Write report.html, report.md, report.json and errors.txt for one or more RUNS.

    \b
    asr-adapt report runs/base runs/calls --out reports/both
    """
    from asr_adapt.report.build import build_report

    show(build_report(list(runs), out, seed=seed), out)


@cli.command(epilog=EXIT_CODES)
@click.argument("run", type=PATH)
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of the intervals.")
def score(run: Path, seed: int) -> None:
    """Score RUN again from its hypotheses and rewrite its report; needs no torch.

    \b
    asr-adapt score runs/calls
    """
    from asr_adapt.report.build import build_report

    show(build_report([run], run, seed=seed), run)


@cli.command("run", epilog=EXIT_CODES)
@click.argument("recipe", type=PATH)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the recipe."
)
@click.option("--out", type=PATH, help="Run directory.  [default: runs/<recipe>-<model>-<size>]")
@click.option("--data", "data_dir", type=PATH, help="Prepared data.  [default: data/<size>]")
@click.option("--quiet", is_flag=True, help="No progress, only results and errors.")
def run_command(
    recipe: Path, overrides: tuple[str, ...], out: Path | None, data_dir: Path | None, quiet: bool
) -> None:
    """Run a RECIPE: data, adapter, four arms on every test set, report.

    What is done already is not done again: the same command goes on after a stop.

    \b
    asr-adapt run recipes/maritime/recipe.toml --set size=full --set model=whisper-base
    """
    with working(quiet) as (stop, display):
        from asr_adapt.config import load_recipe
        from asr_adapt.recipe import run_recipe

        config = load_recipe(recipe, overrides)
        label = Path(config.model).name
        out = out or Path("runs") / f"{config.name}-{label}-{config.size}"
        data_dir = data_dir or Path("data") / config.size
        result = run_recipe(
            config, out, data_dir, command=command_line(), stop=stop, display=display
        )
    show(result, out)


@cli.group()
def data() -> None:
    """Look at data, or turn it into manifests."""


@data.command("inspect", epilog=EXIT_CODES)
@click.argument("path", type=PATH)
@reading_options
def data_inspect(path: Path, rules: ReadingRules) -> None:
    """Say what is in PATH: format, hours, speakers, and what looks wrong.

    \b
    asr-adapt data inspect calls.csv
    """
    from asr_adapt.inspection import inspect_data, render_summary
    from asr_adapt.manifest import load_data

    imported = load_data(
        path,
        allow_outside=rules.allow_outside,
        columns=rules.columns,
        language=rules.language,
    )
    click.echo(render_summary(inspect_data(imported)))
    if len(imported.skipped) > rules.max_bad:
        raise DataError(f"{path}: {len(imported.skipped)} rows cannot be used, see above")


@data.command("prepare", epilog=EXIT_CODES)
@click.argument("path", type=PATH)
@click.option(
    "--out", type=PATH, required=True, help="Folder for train.jsonl, dev.jsonl, test.jsonl."
)
@click.option("--dev-share", default=0.1, show_default=True, help="Share of speech for dev.")
@click.option("--test-share", default=0.2, show_default=True, help="Share of speech for test.")
@reading_options
@machine_options
def data_prepare(
    path: Path,
    out: Path,
    dev_share: float,
    test_share: float,
    device: str,
    seed: int,
    quiet: bool,
    rules: ReadingRules,
) -> None:
    """Turn PATH into manifests, split by speaker or recording, never by clip.

    \b
    asr-adapt data prepare calls.csv --out data/calls
    """
    with working(quiet) as (_, display):
        from asr_adapt.own_data import prepare_manifests, read_checked

        checked = read_checked(path, rules, display)
        written = prepare_manifests(checked, out, dev_share, test_share, seed, display.say)
    for name, count in written.items():
        click.echo(f"{out / name}: {count} utterances")


@cli.command(epilog=EXIT_CODES)
def doctor() -> None:
    """Check versions, weights, decode back ends, threads and device, with advice."""
    from asr_adapt.doctor import diagnose, render_findings

    findings = diagnose()
    click.echo(render_findings(findings))
    if any(f.status == "problem" for f in findings):
        sys.exit(4)
