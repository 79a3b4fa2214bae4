"""What all formats are written from: the compared utterances with the normalised text of each arm.

Reads a `SetReport`. Only utterances that somebody speaks in and that every arm has a text for are
here, so that other tools count what the report counts; which ones are left out stands in
``INDEX.txt`` beside the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from asr_adapt.records import Utterance
from asr_adapt.reporting.results import SetReport
from asr_adapt.reporting.tables import compared
from asr_adapt.scoring.score import UtteranceScore


@dataclass(frozen=True, slots=True)
class Row:
    """One compared utterance.

    Attributes:
        utterance: the utterance.
        reference: what was said, normalised.
        scores: per arm, in the order of the report.
    """

    utterance: Utterance
    reference: str
    scores: Mapping[str, UtteranceScore]

    @property
    def end_s(self) -> float:
        """Where the utterance ends in its file."""
        return self.utterance.start_s + self.utterance.duration_s


def compared_rows(part: SetReport) -> list[Row]:
    """Return the utterances that the rates of a set are made of, in the order of the manifest."""
    ids = compared(part)
    scores: dict[str, dict[str, UtteranceScore]] = {}
    for each in part.scores.utterances:
        scores.setdefault(each.utterance_id, {})[each.arm] = each
    return [
        Row(u, next(iter(scores[u.utterance_id].values())).reference, scores[u.utterance_id])
        for u in part.entry.utterances
        if u.utterance_id in ids
        and not any(score.silence for score in scores[u.utterance_id].values())
    ]


def silent_ids(part: SetReport) -> list[str]:
    """Return the utterances of a set in which nobody speaks; words heard there count apart."""
    return list(dict.fromkeys(s.utterance_id for s in part.scores.utterances if s.silence))


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Map names from the data to parts of file names: no path, no space, no two alike.

    >>> safe_names(["base+bias", "../x", "-x"])
    {'base+bias': 'base+bias', '../x': 'x', '-x': 'x-2'}
    """
    safe: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^\w+.-]+", "_", name, flags=re.ASCII).strip("._-") or "unnamed"
        tries = (f"{base}-{i}" if i > 1 else base for i in count(1))
        safe[name] = next(each for each in tries if each.casefold() not in taken)
        taken.add(safe[name].casefold())  # some file systems do not tell case apart
    return safe
