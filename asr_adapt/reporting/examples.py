"""Order the utterances to look at and to listen to, and align all arms on them.

First come those where the best arm is *worst*, where it *helped* or *hurt* most against the first
one, and those that decoding *flagged* or failed; then all others, as far as there is room. Has
the clips of what is shown kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.reporting.clips import Clip, ClipStore, NoClip
from asr_adapt.reporting.stacking import Block, stack_alignments
from asr_adapt.scoring.score import RunScores, UtteranceScore

LINE_WIDTH = 96
"""Characters of one line of aligned words."""

REASONS = {
    "worst": "most errors in the best arm",
    "helped": "most helped by the best arm",
    "hurt": "made worse by the best arm",
    "flagged": "flagged or failed",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What one arm made of a shown utterance."""

    arm: str
    text: str
    prompt: str | None
    dropped_phrases: tuple[str, ...]
    score: UtteranceScore

    @property
    def errors(self) -> int | None:
        """Word errors; None if decoding failed."""
        return None if self.score.failed else self.score.words.errors


@dataclass(frozen=True, slots=True)
class Example:
    """An utterance to look at: why, how it sounds, and what each arm made of it.

    ``silent`` says why there is no clip, where there is none.
    """

    utterance: Utterance
    reasons: tuple[str, ...]
    heard: tuple[Heard, ...]
    blocks: tuple[Block, ...]
    clip: Clip | None
    silent: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """How many utterances a set may show for each reason."""

    worst: int
    helped: int
    hurt: int
    flagged: int


PRIMARY_SHARE = Share(worst=12, helped=10, hurt=8, flagged=6)
FURTHER_SHARE = Share(worst=4, helped=2, hurt=4, flagged=2)


def choose(scores: RunScores, first: str, best: str, share: Share) -> dict[str, tuple[str, ...]]:
    """Choose utterances to show.

    Args:
        scores: all arms.
        first: the arm to start from.
        best: the arm to judge by.
        share: how many to choose for each reason.

    Returns:
        Utterance ids with the reasons, the worst first; all others follow without a reason, those
        with the most errors first.
    """
    by_id: dict[str, dict[str, UtteranceScore]] = defaultdict(dict)
    for each in scores.utterances:
        by_id[each.utterance_id][each.arm] = each
    reasons: dict[str, tuple[str, ...]] = {}
    for reason, limit, weigh in (
        ("worst", share.worst, lambda arms: _errors(arms, best)),
        ("hurt", share.hurt, lambda arms: _more_errors(arms, first, best)),
        ("helped", share.helped, lambda arms: _more_errors(arms, best, first)),
        ("flagged", share.flagged, _suspicion),
    ):
        for utterance_id in _top(by_id, weigh, limit):
            reasons[utterance_id] = (*reasons.get(utterance_id, ()), reason)
    others = sorted(by_id, key=lambda each: (-_errors(by_id[each], best), each))
    return reasons | {each: () for each in others if each not in reasons}


def _errors(arms: Mapping[str, UtteranceScore], arm: str) -> int:
    """Return the errors of an arm; 0 where it has no text."""
    return arms[arm].words.errors if arm in arms else 0


def _more_errors(arms: Mapping[str, UtteranceScore], before: str, after: str) -> int:
    """Return how many more errors an arm makes than another; 0 where one of them has no text."""
    if not all(arm in arms and arms[arm].failed is None for arm in (before, after)):
        return 0
    return _errors(arms, after) - _errors(arms, before)


def _suspicion(arms: Mapping[str, UtteranceScore]) -> int:
    return sum(len(each.flags) + 10 * (each.failed is not None) for each in arms.values())


def _top(
    by_id: Mapping[str, Mapping[str, UtteranceScore]],
    weigh: Callable[[Mapping[str, UtteranceScore]], int],
    limit: int,
) -> list[str]:
    """Return the ids that weigh most, only those that weigh anything; of equals by id."""
    weights = {utterance_id: weigh(arms) for utterance_id, arms in by_id.items()}
    ranked = sorted(weights, key=lambda each: (-weights[each], each))
    return [each for each in ranked[:limit] if weights[each] > 0]


def build_examples(
    utterances: Sequence[Utterance],
    hypotheses: Sequence[Hypothesis],
    scores: RunScores,
    chosen: Mapping[str, tuple[str, ...]],
    clips: ClipStore,
) -> tuple[Example, ...]:
    """Align the chosen utterances and keep their clips."""
    known = {each.utterance_id: each for each in utterances}
    rows = {(each.utterance_id, each.arm): each for each in hypotheses}
    scored: dict[str, list[UtteranceScore]] = defaultdict(list)
    for each in scores.utterances:
        if (each.utterance_id, each.arm) in rows:
            scored[each.utterance_id].append(each)
    return tuple(
        _example(known[key], reasons, [_heard(rows[key, s.arm], s) for s in scored[key]], clips)
        for key, reasons in chosen.items()
    )


def _heard(row: Hypothesis, score: UtteranceScore) -> Heard:
    return Heard(row.arm, row.text, row.prompt, row.dropped_phrases, score)


def _example(
    utterance: Utterance, reasons: tuple[str, ...], heard: Sequence[Heard], clips: ClipStore
) -> Example:
    aligned = {each.arm: each.score.alignment for each in heard if each.score.failed is None}
    blocks = tuple(stack_alignments(aligned, LINE_WIDTH)) if aligned else ()
    kept = clips.keep(utterance)
    clip, silent = (None, kept.value) if isinstance(kept, NoClip) else (kept, "")
    return Example(utterance, reasons, tuple(heard), blocks, clip, silent)
