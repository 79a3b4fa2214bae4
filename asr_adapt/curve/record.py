"""``curve.json``: a learning curve as it was measured, with what its power law says.

Floor 2. `asr_adapt.curve.draw` writes it after each point, so that it can go on where it was
stopped; the report reads it, without torch and scipy. Unknown keys and nonsense are refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr_adapt.config import build
from asr_adapt.errors import DataError, UsageError
from asr_adapt.files import write_json

CURVE_NAME = "curve.json"
CURVE_KIND = "asr-adapt learning curve"
CURVE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval; ``high`` is None where it has no upper end."""

    value: float
    low: float
    high: float | None = None

    def __post_init__(self) -> None:
        known = [x for x in (self.value, self.low, self.high) if x is not None]
        if not all(math.isfinite(x) and x >= 0 for x in known):
            raise UsageError(f"{known}: need finite numbers of 0 or more")


@dataclass(frozen=True, slots=True)
class CurveArm:
    """One arm at one point: its word error rate, a fraction, and the counts behind it."""

    name: str
    wer: Estimate
    errors: int
    words: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One amount of labels and what it came to.

    Attributes:
        folder: of the adapter, below that of the curve.
        asked_minutes: minutes of labels asked for; 0 for the base model.
        minutes: minutes of labels trained on.
        utterances: how many they are.
        arms: scores, all points on the same utterances.
        steps: optimizer steps of the training.
        training_s: seconds of training, dev decoding included.
        strength: of the adapter, chosen on dev.
        adapter_sha256: of the adapter's weights; "" for the base model.
    """

    folder: str
    asked_minutes: float
    minutes: float
    utterances: int
    arms: tuple[CurveArm, ...]
    steps: int = 0
    training_s: float = 0.0
    strength: float = 0.0
    adapter_sha256: str = ""

    def arm(self, name: str) -> CurveArm | None:
        """Return an arm by name; None if it was not decoded."""
        return next((each for each in self.arms if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the law says of an amount of labels."""

    minutes: float
    wer: Estimate


@dataclass(frozen=True, slots=True)
class CurveFit:
    """The power law of one arm, ``wer = floor + scale * minutes ** -exponent``.

    Attributes:
        arm: the arm.
        floor: of the law, a fraction.
        scale: of the law, a fraction.
        exponent: of the law.
        largest_minutes: labels of the largest point.
        now: the law there.
        doubled: the law at twice as many labels.
        gain: how much lower the error rate is there.
        next_point_minutes: further minutes of labels that take one point of 100 off the error
            rate; None where the law never gets there.
        band: the law and its interval from the smallest point to twice the largest.
        caveat: what the interval does not know of; "" if nothing.
    """

    arm: str
    floor: float
    scale: float
    exponent: float
    largest_minutes: float
    now: Estimate
    doubled: Estimate
    gain: Estimate
    next_point_minutes: Estimate | None = None
    band: tuple[Forecast, ...] = ()
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """A whole ``curve.json``; rates are fractions.

    Attributes:
        finished: whether all points are there.
        job_sha256: of everything that must be the same for the curve to be gone on with.
        model: name of the base model.
        model_sha256: of its weights.
        method: what was trained, ``lora`` or ``full``.
        epochs: passes over its labels at each point.
        seed: of the draw of labels, the trainings and the intervals.
        normaliser: under which words were compared.
        available_minutes: labels there are.
        scored_on: the speech all points were scored on, in words.
        scored_utterances: how many utterances of it.
        chose: whether the same speech chose each adapter's step and strength.
        blocks: what was resampled together for the intervals.
        n_blocks: how many there are.
        points: by minutes, the base model first.
        fits: one for each arm that was trained; none where there are too few points.
        caveat: what the blocks mean for the intervals; "" if nothing.
        command: how it was made.
        versions: of the packages the numbers depend on.
    """

    finished: bool
    job_sha256: str
    model: str
    model_sha256: str
    method: str
    epochs: int
    seed: int
    normaliser: str
    available_minutes: float
    scored_on: str
    scored_utterances: int
    chose: bool
    blocks: str
    n_blocks: int
    points: tuple[CurvePoint, ...] = ()
    fits: tuple[CurveFit, ...] = ()
    caveat: str = ""
    command: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    kind: str = CURVE_KIND
    version: int = CURVE_VERSION

    def __post_init__(self) -> None:
        if self.kind != CURVE_KIND or self.version != CURVE_VERSION:
            raise UsageError(f"not a learning curve of version {CURVE_VERSION}")

    @property
    def trained(self) -> tuple[CurvePoint, ...]:
        """The points above 0 minutes."""
        return tuple(point for point in self.points if point.minutes > 0)

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The arms of all points, in order."""
        return tuple(dict.fromkeys(arm.name for point in self.points for arm in point.arms))

    @property
    def best_fit(self) -> CurveFit | None:
        """The law of the arm that is lowest at the largest point; None without any."""
        return min(self.fits, key=lambda fit: fit.now.value, default=None)


def curve_to_json(curve: LearningCurve) -> dict[str, Any]:
    """Return a curve as a JSON object; what is not known is left out."""
    return dict(_known(asdict(curve)))


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(each) for key, each in value.items() if each is not None}
    return [_known(each) for each in value] if isinstance(value, list | tuple) else value


def write_curve(path: Path, curve: LearningCurve) -> None:
    """Write a ``curve.json`` that a reader finds whole."""
    write_json(path, curve_to_json(curve))


def read_curve(path: Path) -> LearningCurve:
    """Read a ``curve.json``.

    Raises:
        DataError: one line naming the file and all that is wrong in it.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from None
    problems: list[str] = []
    found = build(LearningCurve, value, "", problems)
    if found is None or problems:
        raise DataError(f"{path}: not a {CURVE_NAME} of finetune: {_some(problems)}")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _some(problems: Iterable[str]) -> str:
    first = list(problems)
    more = f" and {len(first) - 5} more" if len(first) > 5 else ""
    return "; ".join(first[:5]) + more
