"""``asr-adapt data``: look at data, or turn it into manifests."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import EXIT_CODES, Output, working
from asr_adapt.cli.options import (
    OUT_FILE,
    OUT_FOLDER,
    PATH,
    normaliser_option,
    output_options,
    reading_options,
    seed_option,
    share_options,
)
from asr_adapt.errors import DataError

if TYPE_CHECKING:
    from asr_adapt.own_data import ReadingRules


@click.group()
def data() -> None:
    """Look at data, or turn it into manifests."""


@data.command("inspect", epilog=EXIT_CODES)
@click.argument("path", type=PATH)
@reading_options
@normaliser_option
@output_options
def data_inspect(path: Path, normaliser: str, output: Output, rules: ReadingRules) -> None:
    """Say what is in PATH: format, hours, speakers, and what looks wrong.

    \b
    asr-adapt data inspect calls.csv
    """
    with working(output) as (stop, display):
        from asr_adapt.inspection import inspect_data, render_summary
        from asr_adapt.own_data import import_data

        imported = import_data(path, replace(rules, unlabelled=True), display, stop)
        summary = inspect_data(imported, normaliser, stop.between(display.start("listening")))
    output.result(asdict(summary), render_summary(summary))
    if len(imported.skipped) > rules.max_bad:
        raise DataError(f"{path}: {len(imported.skipped)} rows cannot be used, see above")


@data.command("prepare", epilog=EXIT_CODES)
@click.argument("path", type=PATH)
@click.option(
    "--out", type=OUT_FOLDER, required=True, help="Folder for train.jsonl, dev.jsonl, test.jsonl."
)
@share_options
@reading_options
@seed_option
@output_options
def data_prepare(
    path: Path,
    out: Path,
    dev_share: float,
    test_share: float,
    seed: int,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Turn PATH into manifests, split by its split column, else by speaker or recording.

    Manifests read without --allow-outside lie in the folder of the audio or above it.

    \b
    asr-adapt data prepare calls/all.csv --out calls
    """
    with working(output) as (stop, display):
        from asr_adapt.own_data import check_shares, prepare_manifests, read_checked

        check_shares(dev_share, test_share)
        checked = read_checked(path, rules, display, stop)
        written = prepare_manifests(checked, out, dev_share, test_share, seed, display.say)
    counts = {str(out / name): count for name, count in written.items()}
    lines = (f"{path}: {count} utterances" for path, count in counts.items())
    output.result({"utterances": counts}, *lines)


@data.command("tasks", epilog=EXIT_CODES)
@click.argument("source", type=PATH)
@click.option("--out", type=OUT_FILE, required=True, help="JSON file of tasks to write.")
@click.option("--set", "set_name", help="Test set of a run.  [default: the first]")
@click.option("--arm", help="Arm of a run.  [default: the last, which is told most]")
@click.option("--all", "everything", is_flag=True, help="Rows of a run without errors too.")
@reading_options
@output_options
def data_tasks(
    source: Path,
    out: Path,
    set_name: str | None,
    arm: str | None,
    everything: bool,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Write tasks for Label Studio, so that people correct what a model heard.

    SOURCE is a run directory, of which the rows with errors are taken, or data whose transcripts
    are to be checked. What Label Studio exports is read like any other data.

    \b
    asr-adapt data tasks runs/calls --out corrections/tasks.json
    asr-adapt data prepare corrections/export.json --out calls
    """
    with working(output) as (stop, display):
        from asr_adapt.labelling import suggestions_of_data, suggestions_of_run, write_tasks
        from asr_adapt.own_data import import_data

        if (source / "run.json").is_file():
            chosen = suggestions_of_run(source, set_name, arm, everything)
        else:
            rows = import_data(source, rules, display, stop).usable(rules.max_bad)
            chosen = suggestions_of_data(rows)
        root = write_tasks(out, chosen)
    interface = out.with_suffix(".xml")
    output.result(
        {
            "tasks": str(out),
            "count": len(chosen),
            "interface": str(interface),
            "document_root": str(root),
        },
        f"{out}: {len(chosen)} tasks; interface: {interface}",
        f"start: LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={quote(str(root))} label-studio start",
        f"save the export in {root}; it is read by data inspect, data prepare, finetune",
    )
