"""``asr-adapt pick``: which clips to label next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr_adapt.cli.common import (
    EXIT_CODES,
    Output,
    as_typed,
    check_there,
    command_line,
    refuse_prompts_beside,
    working,
)
from asr_adapt.cli.options import (
    OUT_FILE,
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


@click.command("pick", epilog=EXIT_CODES)
@click.argument("data", type=PATH)
@model_option
@adapter_option
@bias_option
@click.option("--count", default=50, show_default=True, help="At most so many clips.")
@click.option(
    "--minutes", type=float, help="At most so many minutes together.  [default: no limit]"
)
@click.option("--out", type=OUT_FILE, required=True, help="CSV to write; decodings go beside it.")
@batch_option
@click.option("--resume", is_flag=True, help="Go on with work that was stopped, or pick anew.")
@normaliser_option
@prompt_options
@reading_options
@device_option
@output_options
def pick(
    data: Path,
    model: str,
    adapter: Path | None,
    bias: Path | None,
    count: int,
    minutes: float | None,
    out: Path,
    batch_size: int,
    resume: bool,
    normaliser: str,
    prompt_template: str,
    prompt_budget: int,
    device: str,
    output: Output,
    rules: ReadingRules,
) -> None:
    """Propose which clips of DATA to label next.

    Clips on whose words several decodings differ, in which a phrase of the context or of --bias
    is heard that is rare so far, and of speakers that are rare so far go first. Rows of DATA that
    have a text count as labelled. Correct the text column of the CSV and give it to finetune.

    \b
    asr-adapt pick recordings --model whisper-tiny.en --bias ships.txt --count 50 --out picks.csv
    """
    refuse_prompts_beside(adapter)
    check_there(data)
    with working(output) as (stop, display):
        from asr_adapt.audio import apply_long_policy
        from asr_adapt.base_weights.weights import resolve_weights
        from asr_adapt.context.bias import read_bias_list
        from asr_adapt.corrections import refuse_corrected
        from asr_adapt.own_data import read_checked
        from asr_adapt.settings import PromptSettings
        from asr_adapt.unlabelled.pick import (
            Budget,
            choose,
            count_labelled,
            decoded_folder,
            offers,
            write_picks,
        )
        from asr_adapt.unlabelled.pseudo import without_text
        from asr_adapt.unlabelled.views import ViewJob, decode_and_vote
        from asr_adapt.words.text import check_normaliser, normaliser_for

        check_normaliser(normaliser)
        budget = Budget(count, minutes)
        folder = decoded_folder(out)
        refuse_corrected(out, folder)
        phrases = read_bias_list(bias) if bias else None
        rows = read_checked(data, replace(rules, unlabelled=True), display, stop).utterances
        chosen = normaliser_for(normaliser, {u.language for u in rows})
        pieces, _ = apply_long_policy(without_text(rows), rules.long)
        job = ViewJob(
            utterances=pieces,
            weights=resolve_weights(model),
            adapter=adapter,
            bias_list=phrases,
            prompts=PromptSettings(prompt_template, prompt_budget),
            normaliser=chosen.name,
            device=device,
            batch_size=batch_size,
            command=command_line(),
        )
        progress = display.start(f"{data.name}: {', '.join(job.arms)}")
        votes = decode_and_vote(job, folder, resume=resume, stop=stop, progress=progress)
        for failed in [v for v in votes if v.error]:
            display.say(f"not offered: {failed.utterance_id}: {failed.error}")
        offered = offers(pieces, votes, phrases, chosen.function)
        picks = choose(offered, budget, count_labelled(rows, phrases, chosen.function))
        write_picks(out, picks)
    training = ("finetune", out, "--allow-outside", "--model", model, "--out", "ADAPTER")
    picked_s = sum(p.offer.utterance.duration_s for p in picks)
    output.result(
        {
            "picks": str(out),
            "clips": len(picks),
            "offered": len(offered),
            "minutes": picked_s / 60,
            "utterance_ids": [p.offer.utterance.utterance_id for p in picks],
        },
        f"picks: {out}  {len(picks)} of {len(offered)} clips, {picked_s / 60:.1f} min",
        f"next: correct its text column, then {as_typed(*training)}",
    )
