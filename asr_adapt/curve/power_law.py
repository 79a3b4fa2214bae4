"""A power law through a learning curve: error rate over minutes of labels, with its uncertainty.

Floor 3. Error rates of recognisers fall with the amount of training data d as a + b·d^-c (Hestness
et al. 2017, https://arxiv.org/abs/1712.00409; Viering & Loog 2021, https://arxiv.org/abs/2103.10948,
compare shapes). Pure numbers in, pure numbers out; refuses fewer points than the law has numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar, nnls

from asr_adapt.errors import UsageError

FEWEST_POINTS = 3
"""The law has three numbers: fewer points fit without end."""

EXPONENTS = (0.01, 3.0)
"""Where c is looked for: wider than the 0.05 to 0.7 that has been seen (Hestness et al. 2017)."""

_START_EXPONENTS = np.geomspace(*EXPONENTS, 25)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``wer = floor + scale * minutes ** -exponent``; rates are fractions.

    Attributes:
        floor: the rate that no amount of labels would go below; 0 or more.
        scale: what is left to learn after one minute, above the floor; 0 or more.
        exponent: how fast it is learned; above 0.
    """

    floor: float
    scale: float
    exponent: float

    def __call__(self, minutes: float) -> float:
        """Return the rate after so many minutes of labels.

        >>> round(PowerLaw(0.1, 0.4, 0.5)(16.0), 6)
        0.2
        """
        return float(self.floor + self.scale * minutes**-self.exponent)

    def minutes_for(self, rate: float) -> float:
        """Return the minutes of labels after which the rate is reached; infinity if never.

        >>> round(PowerLaw(0.1, 0.4, 0.5).minutes_for(0.2), 6)
        16.0
        """
        if rate <= self.floor or self.scale == 0:
            return math.inf
        logarithm = math.log(self.scale / (rate - self.floor)) / self.exponent
        return math.exp(logarithm) if logarithm < 700 else math.inf  # exp(710) overflows


def fit_power_law(minutes: Sequence[float], rates: Sequence[float]) -> PowerLaw:
    """Return the law with the least squared error.

    For a given exponent the law is linear, so non-negative least squares give floor and scale, and
    only the exponent is searched for (variable projection, Golub & Pereyra 1973,
    doi 10.1137/0710036): no starting values, no wandering off.

    Args:
        minutes: minutes of labels, above 0, at least three different ones.
        rates: the error rate at each, as fractions.

    Raises:
        UsageError: fewer than three different points.
    """
    if len(set(minutes)) < FEWEST_POINTS:
        raise UsageError(f"a power law needs {FEWEST_POINTS} points, not {len(set(minutes))}")
    x, y = np.array(minutes, dtype=np.float64), np.array(rates, dtype=np.float64)
    unit = float(x.max())  # so that both columns are near 1, whatever the exponent
    misses = [_solve(x / unit, y, c)[1] for c in _START_EXPONENTS]
    best = int(np.argmin(misses))
    around = _START_EXPONENTS[[max(best - 1, 0), min(best + 1, len(misses) - 1)]]
    found = minimize_scalar(
        lambda log_c: _solve(x / unit, y, math.exp(log_c))[1],
        bounds=tuple(np.log(around)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    exponent = math.exp(found.x)
    floor, scale = _solve(x / unit, y, exponent)[0]
    return PowerLaw(float(floor), float(scale * unit**exponent), exponent)


def _solve(x: Numbers, y: Numbers, exponent: float) -> tuple[Numbers, float]:
    """Return floor and scale for an exponent, and the norm of what they leave over."""
    columns = np.stack([np.ones_like(x), x**-exponent], axis=1)
    numbers, left = nnls(columns, y)
    return numbers, float(left)


def resampled_laws(
    minutes: Sequence[float], rates: Sequence[float], draws: Numbers, seed: int
) -> list[PowerLaw]:
    """Fit the law again to resampled rates, to see how far it can be trusted.

    Two things are uncertain: which speech was tested, and how well each training went. Each draw
    takes the rates of one resample of the test speech, the same for all points, and adds what the
    law leaves over at points drawn with replacement, blown up by sqrt(n / (n - 3)) since a fit
    leaves over less than the truth would (Davison & Hinkley 1997, sections 6.2.3 and 7.3). Errors
    of the test speech that differ between points count in both: rather too wide than too narrow.
    Three points leave nothing over, so there the second part is missing.

    Args:
        minutes: minutes of labels.
        rates: the error rate at each, as fractions.
        draws: resampled rates, shape (resamples, points).
        seed: of what is drawn.
    """
    law = fit_power_law(minutes, rates)
    count = len(minutes)
    left = np.array(rates) - np.array([law(m) for m in minutes])
    spread = (left - left.mean()) * math.sqrt(count / max(count - FEWEST_POINTS, 1))
    generator = np.random.default_rng([seed, 6])
    wobble = generator.choice(spread, size=draws.shape)
    if count == FEWEST_POINTS:
        wobble = np.zeros(draws.shape)
    return [fit_power_law(minutes, row) for row in np.maximum(draws + wobble, 0.0)]
