"""The labels of a learning curve's points: nested parts, drawn by seed, and a training on each.

Floor 3. The same labels and seed always give the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from asr_adapt.errors import DataError
from asr_adapt.records import Utterance
from asr_adapt.settings import ReplaySettings, TrainSettings
from asr_adapt.splits import hold_out
from asr_adapt.training.dataset import label_minutes
from asr_adapt.training.train_job import TrainJob


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the labels: all of the next smaller part, and more."""

    asked_minutes: float
    folder: str
    utterances: Sequence[Utterance]


def nested_parts(
    labelled: Sequence[Utterance],
    minutes: Sequence[float],
    seed: int,
    notice: Callable[[str], None],
) -> list[Part]:
    """Draw utterances by seed until each number of minutes is reached; each draw goes on.

    So every part holds the smaller ones, in the order of the data. Utterances are drawn, not
    speakers: the curve is about more of the same kind.

    Raises:
        DataError: there are no labels.
    """
    if not labelled:
        raise DataError("no labelled utterances: nothing to draw a learning curve of")
    order = np.random.default_rng([seed, 5]).permutation(len(labelled))
    reached = list(accumulate(labelled[i].duration_s / 60 for i in order))
    parts: list[Part] = []
    for asked in sorted(minutes):
        count = next((n for n, m in enumerate(reached, start=1) if m >= asked), len(labelled))
        if parts and count <= len(parts[-1].utterances):
            notice(f"{asked:g} minutes: no more utterances than the point before; left out")
            continue
        drawn = [labelled[i] for i in sorted(order[:count])]
        folder = f"{asked:g}"
        if reached[-1] < asked:
            folder = f"{reached[-1]:.1f}"
            notice(f"{asked:g} minutes asked for, {reached[-1]:.1f} are there: the last point")
        parts.append(Part(asked, folder, drawn))
    return parts


def point_job(training: TrainJob, part: Part) -> TrainJob:
    """Return the training of one point: fewer labels, and as much less general speech.

    With the same general speech at every point, small points would hear little else; the mix, and
    with it what is asked of the adapter, would change along the curve.
    """
    settings = training.settings
    if len(part.utterances) == len(training.train):
        return training  # as it would be without a curve
    share = label_minutes(part.utterances) / label_minutes(training.train)
    _, rest = hold_out(training.general, training.train, settings.replay.dev_clips, training.seed)
    return replace(
        training,
        train=part.utterances,
        settings=with_replay_share(settings, share, len(rest)),
    )


def with_replay_share(settings: TrainSettings, share: float, there: int) -> TrainSettings:
    """Return the settings with a share of the general clips that would be mixed in."""
    replay: ReplaySettings = settings.replay
    clips = round(share * min(replay.clips, there))
    return replace(settings, replay=replace(replay, clips=clips))
