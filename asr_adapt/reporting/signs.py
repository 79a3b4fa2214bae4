"""Gather from a report what advice is read from, and what stands on its first page.

Pure functions over a `Report`. The advice itself is in `asr_adapt.reporting.advice`.
"""

from __future__ import annotations

from asr_adapt.records import LOOP, ErrorCounts
from asr_adapt.reporting.advice import Advice, Extremes, Signs, advise
from asr_adapt.reporting.arms import same_weights, split_arm
from asr_adapt.reporting.curve import recommendation
from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.reporting.slices import Breakdown
from asr_adapt.reporting.tables import dropped_count, of_arm, silence_s
from asr_adapt.reporting.words import forgetting
from asr_adapt.scoring.score import ArmScore
from asr_adapt.scoring.score_records import all_terms

FEWEST_WORDS = 100
"""A slice of fewer words has an error rate that a single call can turn around."""


def next_steps(report: Report) -> list[Advice]:
    """List what to do next, the most important first; nothing where nothing could be scored."""
    best = report.primary.best
    return advise(read_signs(report, best)) if best else []


def read_signs(report: Report, arm: ArmScore) -> Signs:
    """Gather the signs of one arm on the first set."""
    part = report.primary
    scores = of_arm(part, arm.arm)
    terms = all_terms(arm.terms)
    names = [each.arm for each in part.rated]
    quiet = [(each, one) for each in report.sets if (one := _as_untold(each, arm.arm))]
    return Signs(
        words=arm.words,
        on_phrases=arm.context_words,
        utterances=arm.utterances,
        phrases_said=terms.hits + terms.misses,
        phrases_found=terms.hits,
        listed=any(each.phrases for each in scores),
        told=any(split_arm(name)[0].endswith("+bias") for name in names),
        tuned=any(same_weights(name) == "lora" for name in names),
        looping=sum(LOOP in each.flags for each in scores),
        empty=sum("empty" in each.flags and not each.silence for each in scores),
        leaks=terms.leaks,
        dropped=dropped_count(part, arm.arm),
        failed=len(arm.failed),
        silence_words=sum(one.silence_insertions for _, one in quiet),
        silence_s=sum(silence_s(each) for each, _ in quiet),
        noise=_extremes(part.by_snr, arm.arm) if part.by_snr else None,
        forgotten=_forgotten(report),
        labels=recommendation(report.curve) if report.curve else None,
    )


def _as_untold(part: SetReport, arm: str) -> ArmScore | None:
    """Return the arm on a set; told nothing where there is nothing to tell, as in silence."""
    kind, run = split_arm(arm)
    found = {each.arm: each for each in part.scores.arms}
    return found.get(arm) or found.get(kind.removesuffix("+bias") + run)


def _extremes(part: Breakdown, arm: str) -> Extremes | None:
    known = [
        (each.value, words.rate)
        for each in part.slices
        if (words := each.words.get(arm, ErrorCounts())).reference_length >= FEWEST_WORDS
        and words.rate is not None
    ]
    if len(known) < 2:
        return None
    (noisiest, high), (clearest, low) = known[0], known[-1]
    return Extremes(part.title, noisiest, high, clearest, low)


def _forgotten(report: Report) -> float | None:
    for part in report.sets:
        changes = forgetting(part) if part.entry.role == "general" else []
        for each in changes:
            if each.ci95[0] > 0:
                return each.wer_difference
    return None
