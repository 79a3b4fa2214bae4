"""What context brought and cost: listed phrases, all other words, false phrases, entities.

Pure functions over a `SetReport`, shared by page, markdown and terminal. A measure that an arm
lacks, since there was nothing to count, is shown as a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asr_adapt.reporting.arms import told
from asr_adapt.reporting.results import SetReport
from asr_adapt.reporting.words import NONE, Step, interval, percent, plain, point_interval, points
from asr_adapt.scoring.measures import CONTEXT_MEASURES, ENTITY_MEASURES
from asr_adapt.scoring.score import ArmScore
from asr_adapt.scoring.score_records import Difference, Measure

TITLES = {
    "biased_wer": "WER, listed phrases",
    "unbiased_wer": "WER, other words",
    "term_recall": "phrases found",
    "term_precision": "phrases right",
    "false_insertion_rate": "false per 100",
    "leak_rate": "leaked per 100",
    "entity_accuracy": "all right",
}
GAINS = frozenset({"term_recall", "term_precision"})
"""Measures that are better where they are higher; entity accuracies are, too."""

PER_HUNDRED = frozenset({"false_insertion_rate", "leak_rate"})


@dataclass(frozen=True, slots=True)
class Cell:
    """One number as shown: its text, the counts behind it and its interval."""

    text: str
    counts: str = ""
    bounds: str = ""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """The difference of a measure between two arms, as shown; ``verdict`` as in `Step`."""

    measure: str
    a: str
    b: str
    change: str
    bounds: str
    verdict: str


def title(measure: str) -> str:
    """Return what a measure is called in a table."""
    kind = measure.partition(".")[2]
    return f"{kind}s right" if kind else TITLES[measure]


def context_columns(part: SetReport) -> list[str]:
    """Return the context measures that any arm has."""
    return _present(part, CONTEXT_MEASURES)


def entity_columns(part: SetReport) -> list[str]:
    """Return the entity measures that any arm has; one kind alone needs no column for all."""
    found = _present(part, ENTITY_MEASURES)
    return found[1:] if len(found) == 2 else found


def cells(arm: ArmScore, columns: Iterable[str]) -> list[Cell]:
    """Return the numbers of an arm for some measures."""
    return [_cell(arm.measure(name)) for name in columns]


def changes(part: SetReport, measures: Sequence[str]) -> list[ChangeRow]:
    """List the differences between arms and the same arms told the context, else all pairs."""
    pairs = [each for each in part.scores.differences if each.measure in measures]
    after_telling = [each for each in pairs if each.b == told(each.a)]
    return [_change(each) for each in after_telling or pairs]


def verdict(difference: Difference) -> str:
    """Judge a difference: better or worse where its interval excludes zero, else unclear."""
    low, high = difference.ci95
    if low <= 0 <= high:
        return "unclear"
    name = difference.measure
    higher_is_better = name in GAINS or name.startswith("entity_accuracy")
    return "better" if (low > 0) == higher_is_better else "worse"


def sentences(part: SetReport) -> list[Step]:
    """Say what telling the context did to listed phrases and to everything else."""
    said = {"biased_wer": "words of listed phrases", "unbiased_wer": "all other words"}
    return [
        Step(verdict(each), _sentence(part, each, said[each.measure]))
        for each in part.scores.differences
        if each.measure in said and each.b == told(each.a)
    ]


def _sentence(part: SetReport, each: Difference, words: str) -> str:
    before, after = (part.scores.arm(arm).measure(each.measure) for arm in (each.a, each.b))
    values = [percent(measure.value if measure else None) for measure in (before, after)]
    sure = {"better": "certain", "worse": "certainly worse", "unclear": "not certain"}
    return (
        f"Told the context, “{plain(each.a)}” goes from {values[0]} to {values[1]} wrong on "
        f"{words} ({points(each.difference)} points, 95 % interval {point_interval(each.ci95)}: "
        f"{sure[verdict(each)]})."
    )


def _present(part: SetReport, names: Iterable[str]) -> list[str]:
    return [name for name in names if any(arm.measure(name) for arm in part.scores.arms)]


def _cell(measure: Measure | None) -> Cell:
    if measure is None or measure.value is None:
        return Cell(NONE)
    counts = f"{measure.part} of {measure.whole}"
    if measure.name in PER_HUNDRED:
        bounds = interval(measure.ci95) if measure.ci95 else ""
        return Cell(f"{100 * measure.value:.1f}", counts, bounds)
    return Cell(percent(measure.value), counts, interval(measure.ci95))


def _change(each: Difference) -> ChangeRow:
    bounds = point_interval(each.ci95)
    change = points(each.difference)
    return ChangeRow(each.measure, each.a, each.b, change, bounds, verdict(each))
