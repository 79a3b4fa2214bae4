"""How strongly an adapter is applied, in words and rows: what training measured on dev speech.

Pure functions from run.json to sentences and cells, shared by page and markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from asr_adapt.reporting.results import Report
from asr_adapt.reporting.runs import Run, run_labels
from asr_adapt.reporting.words import NONE, number, percent
from asr_adapt.training.strength import best_strength


@dataclass(frozen=True, slots=True)
class Part:
    """What is measured at each strength beside the domain's dev speech, and how it is shown.

    Attributes:
        key: of its error rate in a row of training's.
        heading: of its column.
        arm: whose colour its line has.
        label: of its line.
        note: what an error is there.
    """

    key: str
    heading: str
    arm: str
    label: str
    note: str


FURTHER = (
    Part(
        "general_wer",
        "general",
        "base",
        "general speech",
        "In general speech, what differs from the untouched model's text is an error.",
    ),
    Part(
        "received_wer",
        "received",
        "base+bias",
        "general, received",
        "Received is general speech over the channel of training.",
    ),
    Part(
        "silence_wer",
        "silence",
        "lora+bias",
        "silence, made up",
        "Silence: words made up where nobody speaks, of those that speech of that length has.",
    ),
)


@dataclass(frozen=True, slots=True)
class StrengthPoint:
    """What dev says of one strength: error rates as fractions, and how far above the least it is.

    Attributes:
        strength: factor on what was learned.
        wer: on the domain's dev speech.
        further: on each further part that was measured, by key.
        behind: the sum of all above the least one.
        behind_se: its standard error.
    """

    strength: float
    wer: float
    further: Mapping[str, float]
    behind: float
    behind_se: float


@dataclass(frozen=True, slots=True)
class StrengthCurve:
    """The strengths of one adapter.

    Attributes:
        label: of the run, where there are several; else empty.
        points: strongest first, two or more.
        used: the strength that the run applied; None if it does not say.
    """

    label: str
    points: tuple[StrengthPoint, ...]
    used: float | None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The further parts that were measured at every strength."""
        return tuple(p for p in FURTHER if all(p.key in point.further for point in self.points))

    @property
    def recommended(self) -> float:
        """The strength that training chose."""
        return best_strength([asdict(point) for point in self.points])


def find_strengths(report: Report) -> tuple[StrengthCurve, ...]:
    """Return the strengths of each run's adapter, as far as two or more were measured.

    Numbers that contradict each other, of which none is the least, are none.
    """
    labels = run_labels(report.runs) if len(report.runs) > 1 else [""]
    found = (_curve(run, label) for run, label in zip(report.runs, labels, strict=True))
    return tuple(
        curve
        for curve in found
        if len(curve.points) > 1 and any(p.behind <= p.behind_se for p in curve.points)
    )


def _curve(run: Run, label: str) -> StrengthCurve:
    rows = (run.adapter or {}).get("strength_wer")
    points = [_point(row) for row in rows] if isinstance(rows, list) else []
    whole = sorted((p for p in points if p), key=lambda point: -point.strength)
    return StrengthCurve(label, tuple(whole), number(run.adapter, "strength"))


def _point(row: Any) -> StrengthPoint | None:
    """Read a measured strength; None of a row that is something else."""
    if not isinstance(row, dict):
        return None
    strength, wer = number(row, "strength"), number(row, "wer")
    behind, behind_se = number(row, "behind"), number(row, "behind_se")
    if strength is None or wer is None or behind is None or behind_se is None:
        return None
    rates = {part.key: number(row, part.key) for part in FURTHER}
    further = {key: rate for key, rate in rates.items() if rate is not None}
    return StrengthPoint(strength, wer, further, behind, behind_se)


def sentences(curve: StrengthCurve) -> list[str]:
    """Say which strength training recommends by which rule, and which one the run applied."""
    best, used = curve.recommended, curve.used
    said = [f"Training recommends {best:g}: {_rule(curve)}."]
    if used == best:
        said.append("This run applied it.")
    elif used is not None:
        said.append(f"This run applied {used:g}, which its recipe or --strength asked for.")
    return said


def _rule(curve: StrengthCurve) -> str:
    least = "the sum of the error rates" if curve.parts else "the error rate"
    return f"the weakest strength at which {least} is at most one standard error above the least"


def notes(curve: StrengthCurve) -> str:
    """Say what was measured, and on what."""
    said = ["Word error rates on dev speech, measured in training; no test speech chose anything."]
    said += [part.note for part in curve.parts]
    said.append("Above the least: points, ± one standard error of the paired difference.")
    return " ".join(said)


def columns(curve: StrengthCurve) -> list[str]:
    """Return the headings of `cells`."""
    return ["strength", "domain", *(part.heading for part in curve.parts), "above the least"]


def cells(curve: StrengthCurve) -> list[list[str]]:
    """Return the strengths as rows of a table."""
    return [_cells(curve, point) for point in curve.points]


def _cells(curve: StrengthCurve, point: StrengthPoint) -> list[str]:
    marks = (("recommended", curve.recommended), ("applied", curve.used))
    said = ", ".join(word for word, strength in marks if strength == point.strength)
    row = [f"{point.strength:g}" + (f" ({said})" if said else ""), percent(point.wer)]
    return [*row, *(percent(point.further[part.key]) for part in curve.parts), _behind(point)]


def _behind(point: StrengthPoint) -> str:
    if not point.behind and not point.behind_se:
        return NONE
    return f"{100 * point.behind:.1f} ± {100 * point.behind_se:.1f}"


def lines(curve: StrengthCurve) -> Sequence[tuple[str, str, tuple[tuple[float, float], ...]]]:
    """Return what is drawn over strength: name, label and points (strength, rate)."""
    domain = tuple((point.strength, point.wer) for point in curve.points)
    further = [
        (part.arm, part.label, tuple((p.strength, p.further[part.key]) for p in curve.points))
        for part in curve.parts
    ]
    return [("lora", "domain speech", domain), *further]
