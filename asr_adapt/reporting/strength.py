"""How strongly an adapter is applied, in words and rows: what training measured on dev speech.

Pure functions from run.json to sentences and cells, shared by page and markdown. Runs from before
the one-standard-error rule lack the standard errors; theirs was the least sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asr_adapt.reporting.results import Report
from asr_adapt.reporting.runs import Run, run_labels
from asr_adapt.reporting.words import NONE, number, percent
from asr_adapt.training.strength import best_strength


@dataclass(frozen=True, slots=True)
class StrengthPoint:
    """What dev says of one strength: error rates as fractions, and how far above the least it is.

    Attributes:
        strength: factor on what was learned.
        wer: on the domain's dev speech.
        general_wer: differences from the untouched model's text of general speech; None without.
        received_wer: the same of general speech over training's channel; None without.
        behind: the sum of all above the least one; None in older runs.
        behind_se: its standard error; None in older runs.
        silence_wer: words made up where nobody speaks, for each that speech of that length has;
            None where it was not measured.
    """

    strength: float
    wer: float
    general_wer: float | None
    received_wer: float | None
    behind: float | None
    behind_se: float | None
    silence_wer: float | None = None

    @property
    def total_wer(self) -> float:
        """All error rates added."""
        further = (self.general_wer, self.received_wer, self.silence_wer)
        return self.wer + sum(rate or 0.0 for rate in further)


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
    def general(self) -> bool:
        """Whether general speech was measured."""
        return all(point.general_wer is not None for point in self.points)

    @property
    def received(self) -> bool:
        """Whether general speech was measured over training's channel too."""
        return all(point.received_wer is not None for point in self.points)

    @property
    def silence(self) -> bool:
        """Whether it was measured what is made up where nobody speaks."""
        return all(point.silence_wer is not None for point in self.points)

    @property
    def tested(self) -> bool:
        """Whether standard errors are there, and so the rule that asks for them was followed."""
        if any(None in (point.behind, point.behind_se) for point in self.points):
            return False
        return any((p.behind or 0.0) <= (p.behind_se or 0.0) for p in self.points)

    @property
    def recommended(self) -> float:
        """The strength that training chose."""
        if not self.tested:
            return min(self.points, key=lambda point: (point.total_wer, point.strength)).strength
        return best_strength(
            [
                {"strength": p.strength, "behind": p.behind or 0.0, "behind_se": p.behind_se or 0.0}
                for p in self.points
            ]
        )


def find_strengths(report: Report) -> tuple[StrengthCurve, ...]:
    """Return the strengths of each run's adapter, as far as two or more were measured."""
    labels = run_labels(report.runs) if len(report.runs) > 1 else [""]
    found = (_curve(run, label) for run, label in zip(report.runs, labels, strict=True))
    return tuple(curve for curve in found if len(curve.points) > 1)


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
    if strength is None or wer is None:
        return None
    further = ("general_wer", "received_wer", "behind", "behind_se", "silence_wer")
    return StrengthPoint(strength, wer, *(number(row, key) for key in further))


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
    several = curve.general or curve.silence
    least = "the sum of the error rates" if several else "the error rate"
    if not curve.tested:
        return f"the strength at which {least} is least"
    return f"the weakest strength at which {least} is at most one standard error above the least"


def notes(curve: StrengthCurve) -> str:
    """Say what was measured, and on what."""
    said = ["Word error rates on dev speech, measured in training; no test speech chose anything."]
    if curve.general:
        said.append("In general speech, what differs from the untouched model's text is an error.")
    if curve.received:
        said.append("Received is general speech over the channel of training.")
    if curve.silence:
        said.append(
            "Silence: words made up where nobody speaks, of those that speech of that length has."
        )
    if curve.tested:
        said.append("Above the least: points, ± one standard error of the paired difference.")
    return " ".join(said)


def columns(curve: StrengthCurve) -> list[str]:
    """Return the headings of `cells`."""
    heads = ["strength", "domain", *(["general"] if curve.general else [])]
    heads += ["received"] if curve.received else []
    heads += ["silence"] if curve.silence else []
    return [*heads, *(["above the least"] if curve.tested else [])]


def cells(curve: StrengthCurve) -> list[list[str]]:
    """Return the strengths as rows of a table."""
    return [_cells(curve, point) for point in curve.points]


def _cells(curve: StrengthCurve, point: StrengthPoint) -> list[str]:
    marks = (("recommended", curve.recommended), ("applied", curve.used))
    said = ", ".join(word for word, strength in marks if strength == point.strength)
    row = [f"{point.strength:g}" + (f" ({said})" if said else ""), percent(point.wer)]
    if curve.general:
        row.append(percent(point.general_wer))
    if curve.received:
        row.append(percent(point.received_wer))
    if curve.silence:
        row.append(percent(point.silence_wer))
    if curve.tested:
        row.append(_behind(point))
    return row


def _behind(point: StrengthPoint) -> str:
    if not point.behind and not point.behind_se:
        return NONE
    return f"{100 * (point.behind or 0.0):.1f} ± {100 * (point.behind_se or 0.0):.1f}"


def lines(curve: StrengthCurve) -> Sequence[tuple[str, str, tuple[tuple[float, float], ...]]]:
    """Return what is drawn over strength: name, label and points (strength, rate)."""
    domain = tuple((p.strength, p.wer) for p in curve.points)
    general = tuple((p.strength, p.general_wer or 0.0) for p in curve.points)
    received = tuple((p.strength, p.received_wer or 0.0) for p in curve.points)
    drawn = [("lora", "domain speech", domain)]
    drawn += [("base", "general speech", general)] if curve.general else []
    drawn += [("base+bias", "general, received", received)] if curve.received else []
    silence = tuple((p.strength, p.silence_wer or 0.0) for p in curve.points)
    return [*drawn, ("lora+bias", "silence, made up", silence)] if curve.silence else drawn
