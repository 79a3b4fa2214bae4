"""Show the arms of a report as a table for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from asr_adapt.reporting.context import cells
from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.reporting.silence import made_up
from asr_adapt.reporting.words import NONE, a_minute_interval, interval, percent, size_words
from asr_adapt.scoring.score import ArmScore

NUMBERS = ("WER %", "95 % interval", "sub/del/ins", "CER %", "terms %", "RTF")
"""Columns that fit into 80 characters; terms is the recall of context phrases."""

MEASURES = {
    "biased_wer": "listed WER %",
    "unbiased_wer": "other WER %",
    "term_precision": "right %",
    "leak_rate": "leaks/100",
    "entity_accuracy": "entities %",
}
"""Context measures for the terminal: listed phrases, other words, phrases right of those heard,
phrases heard where nothing like them was said in 100 utterances, call signs and numbers right."""


def render_table(report: Report) -> Group:
    """Return the arms of the first set, what context did where told, and words made up."""
    part = report.primary
    told = any(arm.measure("term_recall") for arm in part.scores.arms)
    silent = [each for each in report.sets[1:] if each.entry.role == "silence"]
    context = [render_context(part)] if told else []
    return Group(render_set(part), *context, *map(render_silence, silent))


def render_silence(part: SetReport) -> Table:
    """Return the words that each arm heard where nobody speaks."""
    table = Table(
        title=Text(f"{part.entry.title} ({size_words(part)})"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("arm", overflow="fold")
    for name in ("words/min", "95 % interval", "words"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in made_up(part):
        rate = f"{each.per_minute:.1f}"
        table.add_row(Text(each.arm), rate, a_minute_interval(each.ci95), str(each.words))
    return table


def render_context(part: SetReport) -> Table:
    """Return the scores for context of one set."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm", overflow="fold")  # names of several runs are long
    for name in MEASURES.values():
        table.add_column(name, justify="right", no_wrap=True)
    for arm in part.scores.arms:
        shown = (each.text.removesuffix(" %") for each in cells(arm, MEASURES))
        table.add_row(Text(arm.arm), *shown)
    return table


def render_set(part: SetReport) -> Table:
    """Return the arms of one set; text from the data is never read as rich markup."""
    table = Table(
        title=Text(f"{part.entry.title} ({size_words(part)})"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("arm", overflow="fold")  # names of several runs are long
    for name in NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    best = part.best
    for arm in part.scores.arms:
        style = "bold" if best and len(part.rated) > 1 and arm.arm == best.arm else ""
        table.add_row(Text(arm.arm), *_numbers(arm), style=style)
    return table


def _numbers(arm: ArmScore) -> list[str]:
    counts = arm.words
    return [
        _bare(arm.wer),
        interval(arm.wer_ci95),
        f"{counts.substitutions}/{counts.deletions}/{counts.insertions}",
        _bare(arm.cer),
        _bare(arm.term_recall),
        NONE if arm.rtf is None else f"{arm.rtf:.2f}",
    ]


def _bare(rate: float | None) -> str:
    return percent(rate).removesuffix(" %")
