"""Rows that several writers of a report show: terms, confusions, dropped phrases.

Pure functions over a `SetReport`; what to show first is decided here, how it looks elsewhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from asr_adapt.reporting.results import SetReport
from asr_adapt.scoring.score import ArmScore, TermCounts, UtteranceScore, confusions


@dataclass(frozen=True, slots=True)
class TermRow:
    """One context phrase with its counts in each arm."""

    phrase: str
    arms: Mapping[str, TermCounts]

    def wrong(self, arm: str) -> int:
        """How often an arm missed the phrase or heard it where it was not said."""
        counts = self.arms.get(arm)
        return counts.misses + counts.false_insertions if counts else 0


def compared(part: SetReport) -> set[str]:
    """Return the ids of the utterances that the rates are made of."""
    left_out = set(part.scores.left_out)
    return {
        each.utterance_id
        for each in part.scores.utterances
        if each.failed is None and each.utterance_id not in left_out
    }


def of_arm(part: SetReport, arm: str) -> list[UtteranceScore]:
    """Return what an arm scored on the utterances that the rates are made of."""
    ids = compared(part)
    return [each for each in part.scores.utterances if each.arm == arm and each.utterance_id in ids]


def term_rows(part: SetReport) -> list[TermRow]:
    """List all context phrases said or heard, most often wrong in the best arm first."""
    arms: dict[str, dict[str, TermCounts]] = defaultdict(dict)
    for arm in part.scores.arms:
        for term in arm.terms:
            arms[term.phrase][arm.arm] = term
    rows = [TermRow(phrase, counts) for phrase, counts in arms.items()]
    best = part.best.arm if part.best else ""
    return sorted(rows, key=lambda row: (-row.wrong(best), row.phrase))


def confused(part: SetReport, arm: str) -> list[tuple[tuple[str, str], int]]:
    """List ((said, heard), count), most frequent first; "" stands for no word."""
    counts = confusions(of_arm(part, arm))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def silence_s(part: SetReport) -> float:
    """Return the length of the compared utterances in which nobody speaks."""
    silent = {each.utterance_id for each in part.scores.utterances if each.silence}
    ids = silent & compared(part)
    return sum(each.duration_s for each in part.entry.utterances if each.utterance_id in ids)


def silence_rate(part: SetReport, arm: ArmScore) -> float | None:
    """Return the words that an arm heard in a minute where nobody spoke; None without silence."""
    minutes = silence_s(part) / 60
    return arm.silence_insertions / minutes if minutes else None


def dropped(part: SetReport, arm: str) -> Counter[str]:
    """Count the context phrases that did not fit into an arm's prompts, those that are named."""
    return Counter(phrase for each in of_arm(part, arm) for phrase in each.dropped_phrases)


def dropped_count(part: SetReport, arm: str) -> int:
    """Count how often a context phrase did not fit into an arm's prompts, named or not."""
    return sum(each.dropped_count for each in of_arm(part, arm))
