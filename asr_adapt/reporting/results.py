"""What a report is made of: runs, the scores of their sets, breakdowns and shown utterances.

Typed and complete, so that the writers (`as_json`, `markdown`, `html`, `console`) only read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asr_adapt.curve.record import LearningCurve
from asr_adapt.records import ARMS
from asr_adapt.reporting.arms import same_weights, split_arm
from asr_adapt.reporting.examples import Example
from asr_adapt.reporting.runs import Run, RunSet, run_labels
from asr_adapt.reporting.slices import UNKNOWN_NOISE, Breakdown, Noise
from asr_adapt.scoring.score import ArmScore, Comparison, RunScores


@dataclass(frozen=True, slots=True)
class SetReport:
    """One test set with its scores.

    Attributes:
        entry: the utterances and hypotheses.
        scores: all arms.
        by_tag: word error rates by the values of each tag.
        by_snr: word error rates by noise; None where noise is neither tagged nor measurable.
        examples: utterances to look at.
        noise: how noisy each utterance is.
    """

    entry: RunSet
    scores: RunScores
    by_tag: tuple[Breakdown, ...]
    by_snr: Breakdown | None
    examples: tuple[Example, ...]
    noise: Noise = UNKNOWN_NOISE

    @property
    def speakers(self) -> int:
        """How many speakers are known by name."""
        return len({each.speaker for each in self.entry.utterances if each.speaker})

    @property
    def audio_s(self) -> float:
        """Length of all utterances."""
        return sum(each.duration_s for each in self.entry.utterances)

    @property
    def rated(self) -> tuple[ArmScore, ...]:
        """The arms that have a word error rate."""
        return tuple(arm for arm in self.scores.arms if arm.wer is not None)

    @property
    def best(self) -> ArmScore | None:
        """The arm with the lowest word error rate; of equals the one that asks for least."""
        return min(self.rated, key=lambda arm: (arm.wer or 0.0, effort(arm.arm)), default=None)

    def comparison(self, a: str, b: str) -> Comparison | None:
        """Return the comparison of two arms as it is stored; None if there is none."""
        found = (each for each in self.scores.comparisons if (each.a, each.b) == (a, b))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Report:
    """All sets of one or more runs; the first set is the one that answers the question.

    Attributes:
        runs: what was run.
        sets: what was tested on.
        seed: of the intervals.
        curve: how errors fall with labels, if that was measured.
        embedded: whether sounds and pictures are in the page itself.
        unscored: sets that were decoded and have no transcript to score against.
    """

    runs: tuple[Run, ...]
    sets: tuple[SetReport, ...]
    seed: int
    curve: LearningCurve | None = None
    embedded: bool = False
    unscored: tuple[RunSet, ...] = ()

    @property
    def primary(self) -> SetReport:
        """The set that answers the question."""
        return self.sets[0]

    @property
    def adapted(self) -> Run | None:
        """The first run that used an adapter; None if none did."""
        return next((run for run in self.runs if run.adapter), None)

    def adapter_of(self, arm: str) -> Mapping[str, Any] | None:
        """Return what run.json says of the adapter that an arm used; None if it used none."""
        if same_weights(arm) != "lora":
            return None
        name = split_arm(arm)[1]
        for label, run in zip(run_labels(self.runs), self.runs, strict=True):
            if run.adapter and name in ("", f" ({label})"):
                return run.adapter
        return None


def effort(arm: str) -> int:
    """Order arms by what they ask of their user: nothing, a context, labels, both, unknown."""
    kind = split_arm(arm)[0]
    return ARMS.index(kind) if kind in ARMS else len(ARMS)
