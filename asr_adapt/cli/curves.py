"""Learning curves on the command line: how minutes are read and how a curve is shown."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from asr_adapt.cli.common import Output
from asr_adapt.errors import UsageError

if TYPE_CHECKING:
    from asr_adapt.curve.record import LearningCurve


def parse_minutes(text: str | None) -> tuple[float, ...]:
    """Split a list of minutes; none without a list.

    Raises:
        UsageError: something in it is no number above 0, or stands twice.
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    try:
        minutes = tuple(float(part) for part in parts)
    except ValueError:
        minutes = ()
    if not minutes or not all(math.isfinite(m) and m > 0 for m in minutes):
        raise UsageError(f"--curve {text!r}: give minutes above 0, such as 5,10,20,40")
    if len(set(minutes)) < len(minutes):
        raise UsageError(f"--curve {text!r}: a number stands twice")
    return minutes


def show_curve(curve: LearningCurve, folder: Path, output: Output) -> None:
    """Print the points of a curve, what it recommends, and what to do with it."""
    from asr_adapt.curve.record import CURVE_NAME, curve_to_json
    from asr_adapt.reporting.curve import columns, recommendation, rows

    said = recommendation(curve)
    lines = [f"minutes of labels: word error rate on {curve.scored_on}"]
    for row in rows(curve):
        rates = zip(columns(curve), row.arms, strict=True)
        cells = [f"{told} {rate} ({bounds})" for told, (rate, bounds) in rates if bounds]
        lines.append(f"{row.minutes}: {', '.join(cells)}")
    path = folder / CURVE_NAME
    record = {"curve": str(path), **curve_to_json(curve), "recommendation": said}
    output.result(record, *lines, said, f"curve: {path}")
