"""Write a report as markdown for a pull request: the same numbers, compactly.

Text from the data is escaped, so that nothing in it is a table border, a link or HTML.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence

from asr_adapt.reporting import curve as labels
from asr_adapt.reporting import strength
from asr_adapt.reporting.context import cells, context_columns, entity_columns
from asr_adapt.reporting.context import title as measure_title
from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.reporting.signs import next_steps
from asr_adapt.reporting.silence import made_up
from asr_adapt.reporting.slices import Breakdown
from asr_adapt.reporting.tables import confused, term_rows
from asr_adapt.reporting.transfer import Cell, Transfer, find_transfer
from asr_adapt.reporting.words import (
    NONE,
    SIGNS,
    a_minute_interval,
    about_loops,
    about_set,
    advice,
    cost,
    interval,
    lead,
    not_scored,
    percent,
    point_interval,
    points,
    size_words,
    steps,
    verdict,
)

MOST_ROWS = 10

TRANSFER_LEGEND = (
    "Word error rates in per cent; in brackets the difference to the untouched model, in points, "
    "with the 95 % interval of the paired difference."
)


def escape(text: str) -> str:
    """Escape what markdown or HTML would read as markup; line breaks become spaces."""
    flat = " ".join(text.split())
    shown = "".join(visible(sign) for sign in flat)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", shown)
    # An empty comment keeps addresses, names and issue numbers from becoming links.
    return re.sub(r"(@|#|:(?=//)|www\.)", r"\1<!-- -->", shown)


def visible(sign: str) -> str:
    """Return a character, or its code point in brackets where it would be invisible.

    Controls and format characters (Unicode Cc, Cf: bidirectional overrides, zero-width marks)
    could make a reader see other text than is there.
    """
    hidden = unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in "\n\t"
    return f"[U+{ord(sign):04X}]" if hidden else sign


def render_markdown(report: Report) -> str:
    """Return the report as markdown."""
    first = report.primary
    lines = [f"# {escape(title(report))}", "", escape(lead(report)), ""]
    lines += [f"- {each.sign} {escape(each.text)}" for each in steps(first)]
    said = [text for text in (advice(first), cost(report)) if text]
    lines += ["", *(line for text in said for line in (escape(text), ""))]
    lines += _todo(report)
    lines += _arms(first) + _loops(first) + _gains(first)
    lines += [line for part in (first.by_snr, *first.by_tag) if part for line in _slices(part)]
    lines += _measures(first) + _confusions(first) + _terms(first)
    for part in report.sets[1:]:
        heading = f"## {escape(part.entry.title)} ({size_words(part)})"
        sentences = [f"- {each.sign} {escape(each.text)}" for each in about_set(part)]
        silent = part.entry.role == "silence"
        tables = _silence(part) if silent else _arms(part) + _loops(part) + _measures(part)
        lines += [heading, "", *sentences, "", *tables]
    lines += _transfer(report) + _strengths(report) + _learning(report)
    return "\n".join([*lines, *_provenance(report)]) + "\n"


def _todo(report: Report) -> list[str]:
    rows = [f"{n}. {escape(each.text)}" for n, each in enumerate(next_steps(report), start=1)]
    return ["What to do next:", "", *rows, ""] if rows else []


def title(report: Report) -> str:
    """Return a title that names the model and the first set."""
    model = report.runs[0].record["model"].get("name", "a model")
    return f"{model} on {report.primary.entry.title}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a markdown table; the first column is text, the others are numbers."""
    rule = "|".join(["---", *["---:"] * (len(header) - 1)])
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(header)} |", f"|{rule}|", *body, ""]


def _arms(part: SetReport) -> list[str]:
    header = ["arm", "WER", "95 % interval", "S", "D", "I", "words", "CER", "term recall", "RTF"]
    rows = []
    for arm in part.scores.arms:
        counts = arm.words
        numbers = (counts.substitutions, counts.deletions, counts.insertions)
        rows.append(
            [
                escape(arm.arm),
                percent(arm.wer),
                interval(arm.wer_ci95),
                *(str(value) for value in (*numbers, counts.reference_length)),
                percent(arm.cer),
                percent(arm.term_recall),
                NONE if arm.rtf is None else f"{arm.rtf:.2f}",
            ]
        )
    return table(header, rows)


def _loops(part: SetReport) -> list[str]:
    said = about_loops(part)
    return [escape(said), ""] if said else []


def _silence(part: SetReport) -> list[str]:
    rows = [
        [escape(each.arm), f"{each.per_minute:.1f}", a_minute_interval(each.ci95), str(each.words)]
        for each in made_up(part)
    ]
    return table(["arm", "words a minute", "95 % interval", "words"], rows)


def _gains(part: SetReport) -> list[str]:
    rows = [
        [
            f"{escape(each.a)} → {escape(each.b)}",
            points(each.wer_difference),
            point_interval(each.ci95),
            verdict(each),
        ]
        for each in part.scores.comparisons
    ]
    header = ["paired difference", "WER, points", "95 % interval", ""]
    return table(header, rows) if rows else []


def _measures(part: SetReport) -> list[str]:
    lines: list[str] = []
    for columns in (context_columns(part), entity_columns(part)):
        rows = [
            [escape(arm.arm), *(_shown(each.text, each.bounds) for each in cells(arm, columns))]
            for arm in part.scores.arms
        ]
        lines += table(["arm", *map(measure_title, columns)], rows) if columns else []
    return lines


def _shown(text: str, bounds: str) -> str:
    return f"{text} ({bounds})" if bounds else text


def _slices(part: Breakdown) -> list[str]:
    arms = list(dict.fromkeys(arm for each in part.slices for arm in each.words))
    rows = [
        [
            escape(each.value),
            str(each.utterances),
            *(percent(each.words[arm].rate) if arm in each.words else NONE for arm in arms),
        ]
        for each in part.slices
    ]
    return table([f"WER by {escape(part.title)}", "utterances", *map(escape, arms)], rows)


def _confusions(part: SetReport) -> list[str]:
    if part.best is None:
        return []
    rows = [
        [escape(said) or "(nothing)", escape(heard) or "(nothing)", str(count)]
        for (said, heard), count in confused(part, part.best.arm)[:MOST_ROWS]
    ]
    header = [f"said (most confused in {escape(part.best.arm)})", "heard", "times"]
    return table(header, rows) if rows else []


def _terms(part: SetReport) -> list[str]:
    arms = [arm.arm for arm in part.scores.arms]
    rows = []
    for row in term_rows(part)[:MOST_ROWS]:
        found = (row.arms.get(arm) for arm in arms)
        cells = (f"{each.hits} of {each.hits + each.misses}" if each else NONE for each in found)
        rows.append([escape(row.phrase), *cells])
    return table(["context phrase, found", *map(escape, arms)], rows) if rows else []


def _transfer(report: Report) -> list[str]:
    found = find_transfer(report.runs, report.sets)
    if found is None:
        return []
    signs = ", ".join(f"{sign} {word}" for word, sign in SIGNS.items())
    return ["## Transfer", "", f"{TRANSFER_LEGEND} {signs}.", "", *transfer_table(found)]


def transfer_table(found: Transfer) -> list[str]:
    """Return the transfer matrix as a markdown table."""
    header = ["adapter", *(escape(column.name) for column in found.columns)]
    rows = [
        [escape(row), *(transfer_cell(found.cells.get((row, c.name))) for c in found.columns)]
        for row in found.rows
    ]
    return table(header, rows)


def transfer_cell(cell: Cell | None) -> str:
    """Show an error rate, and how far it lies from that of the untouched model."""
    if cell is None:
        return NONE
    rate = f"{100 * cell.wer:.1f}"
    if cell.difference is None or cell.difference_ci95 is None or cell.verdict is None:
        return rate
    bounds = point_interval(cell.difference_ci95)
    return f"{rate} {SIGNS[cell.verdict]} ({points(cell.difference)}; {bounds})"


def _strengths(report: Report) -> list[str]:
    lines = []
    for curve in strength.find_strengths(report):
        said = [*strength.sentences(curve), strength.notes(curve)]
        lines += [f"### {escape(curve.label)}", ""] if curve.label else []
        lines += [*table(strength.columns(curve), strength.cells(curve)), " ".join(said), ""]
    return ["## How strongly the adapter is applied", "", *lines] if lines else []


def _learning(report: Report) -> list[str]:
    curve = report.curve
    if curve is None:
        return []
    header = ["minutes of labels", "utterances", *labels.columns(curve), "training"]
    rows = [
        [row.minutes, row.utterances, *(_shown(*cell) for cell in row.arms), row.training]
        for row in labels.rows(curve)
    ]
    said = [labels.recommendation(curve), *labels.notes(curve)]
    return ["## Learning curve", "", *table(header, rows), *(f"- {escape(x)}" for x in said), ""]


def _provenance(report: Report) -> list[str]:
    scores = report.primary.scores
    lines = ["## How it was made", ""]
    lines += [f"- normaliser: {escape(scores.normaliser)} {escape(scores.normaliser_version)}"]
    lines += [
        f"- intervals: {scores.resamples} resamples of {scores.n_blocks} {scores.blocks} blocks, "
        f"seed {scores.seed}{f'; {escape(scores.caveat)}' if scores.caveat else ''}"
    ]
    lines += [f"- {escape(not_scored(entry))}" for entry in report.unscored]
    for run in report.runs:
        commit = run.record.get("commit")
        lines += [f"- command: {escape(command(run.record.get('command')))}"]
        lines += [f"- commit: {escape(str(commit))}"] if commit else []
    return lines


def command(value: object) -> str:
    """Return the command of run.json as one would type it."""
    return shlex.join(str(part) for part in value) if isinstance(value, list) else str(value or "?")
