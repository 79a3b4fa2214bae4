"""A learning curve in words and rows: is more labelling worth it, and what a further point costs.

Pure functions from a `LearningCurve` to sentences and cells, shared by page, markdown and command
line. Needs neither torch nor scipy: the law was fitted when the curve was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.curve.record import (
    CURVE_NAME,
    CurveArm,
    CurveFit,
    CurvePoint,
    Estimate,
    LearningCurve,
    read_curve,
)
from asr_adapt.reporting.words import NONE, duration, plain

CURVE_FOLDER = "curve"
"""Below a run directory, where ``asr-adapt run --curve`` draws its curve."""

LITTLE = 0.01
"""A point of word error rate: less than that for twice the labels is little."""

MUCH = 0.05
"""Five points for twice the labels is a lot. An interval that holds both says nothing."""


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One point as shown: labels, utterances, a rate and its interval for each arm, training."""

    minutes: str
    utterances: str
    arms: tuple[tuple[str, str], ...]
    training: str


def find_curve(run_dirs: Sequence[Path]) -> LearningCurve | None:
    """Read the learning curve that lies in a run directory; None where there is none.

    Raises:
        DataError: there is one, and it cannot be read.
    """
    places = [run_dir / CURVE_FOLDER / CURVE_NAME for run_dir in run_dirs]
    return next((read_curve(place) for place in places if place.exists()), None)


def recommendation(curve: LearningCurve) -> str:
    """Say in words whether more labels are worth it, or why the curve cannot tell."""
    fit = curve.best_fit
    if not curve.finished:
        return "The learning curve is not finished: not all of its points are trained."
    if fit is None:
        return (
            f"The learning curve has {len(curve.trained)} points; to say what more labels would "
            "bring it needs at least 3."
        )
    if unsure(fit):
        return (
            f"The learning curve cannot say what more labels would bring: {_doubling(fit)} "
            f"anything from {_points(fit.gain.low)} to {_points(fit.gain.high)} points off the "
            "error rate. More points on the curve, or more speech to score on, would narrow that."
        )
    said = (
        f"{_doubling(fit)} the error rate of “{plain(fit.arm)}” from {_rate(fit.now.value)} to "
        f"about {_rate(fit.doubled.value)} % (95 % interval {_bounds(fit.doubled)})"
    )
    if (fit.gain.high or 0.0) < LITTLE:
        return f"More labels of this kind bring little: {said}."
    if fit.gain.low >= LITTLE:
        return f"More labels are worth it: {said}. {price(fit)}"
    return f"{said[0].upper()}{said[1:]}. {price(fit)}"


def unsure(fit: CurveFit) -> bool:
    """Whether the interval of what twice the labels bring holds both little and much."""
    return fit.gain.low < LITTLE and (fit.gain.high is None or fit.gain.high > MUCH)


def price(fit: CurveFit) -> str:
    """Say what a further point of word error rate costs, in minutes of labels."""
    cost = fit.next_point_minutes
    if cost is None or cost.value > fit.largest_minutes:
        return "A whole further point costs more than twice the labels there are."
    high = "far more" if cost.high is None else _minutes(cost.high)
    if cost.high is not None and cost.high > 10 * fit.largest_minutes:
        high = "far more"
    return (
        f"The next point costs about {_minutes(cost.value)} more minutes of labels "
        f"({_minutes(cost.low)} to {high})."
    )


def notes(curve: LearningCurve) -> list[str]:
    """Say how the curve came about and what its numbers do not know."""
    said = [
        f"Each point is an adapter of its own, trained for {curve.epochs} epochs on labels drawn "
        f"at random, larger parts holding the smaller ones, and scored on {curve.scored_on} "
        f"({curve.scored_utterances} utterances)."
    ]
    if curve.chose:
        said.append(
            "The same speech chose each adapter's step and strength, so all error rates are "
            "somewhat too good."
        )
    fit = curve.best_fit
    if fit:
        said.append(
            f"Law of “{plain(fit.arm)}”: error rate = {100 * fit.floor:.1f} % + "
            f"{100 * fit.scale:.1f} % · minutes^−{fit.exponent:.2f}; beyond "  # noqa: RUF001
            f"{_minutes(fit.largest_minutes)} minutes it is a forecast for more of the same kind "
            "of speech."
        )
    caveats = [fit.caveat if fit else "", curve.caveat]
    return said + [f"{text[0].upper()}{text[1:]}." for text in caveats if text]


def rows(curve: LearningCurve) -> list[CurveRow]:
    """Return the points as rows of a table, the base model first."""
    return [_row(curve, point) for point in curve.points]


def columns(curve: LearningCurve) -> list[str]:
    """Return what is told to the arms of each row, as a heading: two columns at most."""
    told = [name.endswith("+bias") for name in curve.arm_names]
    return [text for text, known in ((PLAIN, False), (TOLD, True)) if known in told]


PLAIN = "told nothing"
TOLD = "told the context"


def _row(curve: LearningCurve, point: CurvePoint) -> CurveRow:
    cells = []
    for heading in columns(curve):
        arms = [arm for arm in point.arms if arm.name.endswith("+bias") == (heading == TOLD)]
        cells.append(_cell(arms[0]) if arms else (NONE, ""))
    trained = point.minutes > 0
    return CurveRow(
        minutes=_minutes(point.minutes) if trained else "0 (as it comes)",
        utterances=str(point.utterances),
        arms=tuple(cells),
        training=duration(point.training_s) if trained else NONE,
    )


def _cell(arm: CurveArm) -> tuple[str, str]:
    return f"{100 * arm.wer.value:.1f} %", _bounds(arm.wer)


def _doubling(fit: CurveFit) -> str:
    return (
        f"doubling the labels from {_minutes(fit.largest_minutes)} to "
        f"{_minutes(2 * fit.largest_minutes)} minutes would take"
    )


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f}" if minutes >= 9.95 else f"{minutes:.1f}"


def _rate(rate: float) -> str:
    return f"{100 * rate:.1f}"


def _points(rate: float | None) -> str:
    return NONE if rate is None else f"{100 * rate:.1f}"


def _bounds(estimate: Estimate) -> str:
    high = NONE if estimate.high is None else _rate(estimate.high)
    return f"{_rate(estimate.low)} to {high}"
