"""``asr-adapt pseudo``: labels for recordings that nobody has labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import EXIT_CODES, Output, as_typed, check_there, command_line, working
from asr_adapt.cli.options import (
    OUT_FOLDER,
    PATH,
    adapter_option,
    batch_option,
    bias_option,
    device_option,
    model_option,
    normaliser_option,
    output_options,
    prompt_options,
    reading_options,
)

if TYPE_CHECKING:
    from asr_adapt.own_data import ReadingRules


@click.command("pseudo", epilog=EXIT_CODES)
@click.argument("data", type=PATH)
@model_option
@adapter_option
@bias_option
@click.option(
    "--out", type=OUT_FOLDER, required=True, help="Folder for train.jsonl and review.csv."
)
@click.option(
    "--min-confidence",
    default=0.5,
    show_default=True,
    help="Least confidence of a label that is kept, 0 to 1.",
)
@click.option(
    "--keep",
    "best_share",
    default=1.0,
    show_default=True,
    help="Keep at most this share of all clips, 0 to 1, the most confident.",
)
@batch_option
@click.option("--resume", is_flag=True, help="Go on with work that was stopped, or filter it anew.")
@normaliser_option
@prompt_options
@reading_options
@device_option
@output_options
def pseudo(
    data: Path,
    model: str,
    adapter: Path | None,
    bias: Path | None,
    out: Path,
    min_confidence: float,
    best_share: float,
    batch_size: int,
    resume: bool,
    normaliser: str,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Label DATA, recordings without text, by the agreement of several decodings.

    DATA is a folder of audio, a table or a manifest; rows that have a text are left out. Every clip
    is decoded as it is, later, faster and with noise, without and with its context. The text
    nearest to all others becomes its label, unless it is doubtful. Correct rows of review.csv and
    train on them as well.

    \b
    asr-adapt pseudo recordings --model whisper-tiny.en --bias ships.txt --out labels/ships
    """
    check_there(data)
    with working(output) as (stop, display):
        from asr_adapt.audio import apply_long_policy
        from asr_adapt.base_weights.weights import resolve_weights
        from asr_adapt.context.bias import read_bias_list
        from asr_adapt.corrections import refuse_corrected
        from asr_adapt.own_data import read_checked
        from asr_adapt.settings import PromptSettings
        from asr_adapt.unlabelled.pseudo import (
            REVIEW_NAME,
            KeepRule,
            judge,
            pseudo_record,
            without_text,
            write_labels,
            write_record,
        )
        from asr_adapt.unlabelled.views import ViewJob, decode_and_vote
        from asr_adapt.words.text import check_normaliser, normaliser_for

        check_normaliser(normaliser)
        rule = KeepRule(min_confidence, best_share)
        refuse_corrected(out / REVIEW_NAME, out)
        rows = read_checked(data, replace(rules, unlabelled=True), display, stop).utterances
        unlabelled = without_text(rows)
        if len(unlabelled) < len(rows):
            display.say(f"{len(rows) - len(unlabelled)} utterances have a text and are left out")
        chosen = normaliser_for(normaliser, {u.language for u in unlabelled})
        pieces, _ = apply_long_policy(unlabelled, rules.long)
        job = ViewJob(
            utterances=pieces,
            weights=resolve_weights(model),
            adapter=adapter,
            bias_list=read_bias_list(bias) if bias else None,
            prompts=PromptSettings(prompt_template, prompt_budget),
            normaliser=chosen.name,
            device=device,
            batch_size=batch_size,
            command=command_line(),
        )
        progress = display.start(f"{data.name}: {', '.join(job.arms)}")
        votes = decode_and_vote(job, out, resume=resume, stop=stop, progress=progress)
        verdicts = judge(pieces, votes, rule, chosen.function)
        write_labels(out, verdicts)
        record = pseudo_record(verdicts, rule, chosen.name, command_line())
        write_record(out, record)
    labels, to_check = out / "train.jsonl", out / "review.csv"
    training = ("finetune", labels, "--allow-outside", "--model", model, "--out", "ADAPTER")
    output.result(
        {"labels": str(labels), "to_check": str(to_check), **record},
        *(f"{count:6d}  {reason}" for reason, count in record["reasons"].items()),
        f"labels: {labels}  {record['kept_minutes']:.1f} min",
        f"to check: {to_check}",
        f"next: {as_typed(*training)}",
    )
