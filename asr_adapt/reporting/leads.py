"""From a number in a table to the utterances behind it: confusions, terms and flags of each arm.

Pure functions over what is shown. Every lead is a list of numbers of `facets.Shown`, in their order
on the page; utterances that there is no room for are in no lead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asr_adapt.reporting.examples import Heard
from asr_adapt.reporting.facets import Shown
from asr_adapt.reporting.results import SetReport

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leads:
    """Numbers of shown utterances by what they show: kind, arm, and words or phrase or flag."""

    rows: dict[_Key, tuple[int, ...]]

    def confusion(self, arm: str, said: str, heard: str) -> tuple[int, ...]:
        """Return the utterances in which an arm heard one word for another; "" for no word."""
        return self.rows.get(("confusion", arm, said, heard), ())

    def missed(self, arm: str, phrase: str) -> tuple[int, ...]:
        """Return the utterances in which an arm missed a phrase."""
        return self.rows.get(("missed", arm, phrase), ())

    def false(self, arm: str, phrase: str) -> tuple[int, ...]:
        """Return the utterances in which an arm heard a phrase that was not said."""
        return self.rows.get(("false", arm, phrase), ())

    def flagged(self, arm: str, flag: str) -> tuple[int, ...]:
        """Return the utterances in which decoding flagged an arm's text."""
        return self.rows.get(("flag", arm, flag), ())


def find_leads(shown: Iterable[Shown], part: SetReport) -> Leads:
    """Collect all leads of one set."""
    rows: dict[_Key, list[int]] = defaultdict(list)
    for each in shown:
        if each.part is part:
            for key in dict.fromkeys(k for one in each.example.heard for k in _keys(one)):
                rows[key].append(each.number)
    return Leads({key: tuple(numbers) for key, numbers in rows.items()})


def _keys(heard: Heard) -> Iterator[_Key]:
    arm, score = heard.arm, heard.score
    for word in score.alignment:
        if word.kind != "hit":
            yield "confusion", arm, word.reference, word.hypothesis
    for term in score.terms:
        if term.misses:
            yield "missed", arm, term.phrase
        if term.false_insertions:
            yield "false", arm, term.phrase
    for flag in score.flags:
        yield "flag", arm, flag
