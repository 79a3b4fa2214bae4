"""Which clips to label next: those that teach most for the minutes somebody has.

Reads votes (`views`) and the phrases that may be said; writes a table of the clips to correct. The
value of a clip is `DOUBT` x how far its decodings differ, `TERM` x how rare the rarest phrase heard
in it still is, and `SPREAD` x how rarely its speaker was labelled so far; the best goes first, then
all are valued anew. What was labelled before counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asr_adapt.corrections import Correction, replace_corrections
from asr_adapt.errors import DataError, UsageError
from asr_adapt.records import BiasList, Utterance
from asr_adapt.unlabelled.agreement import Vote

DOUBT, TERM, SPREAD = 1.0, 0.5, 0.25
"""Weights of the three parts of a clip's value, each between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A clip that could be labelled.

    Attributes:
        utterance: the clip.
        vote: what its decodings say.
        terms: listed phrases that some decoding heard, as written.
    """

    utterance: Utterance
    vote: Vote
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """How much somebody is going to label.

    Attributes:
        count: at most so many clips.
        minutes: of at most so many minutes together; None for any length.
    """

    count: int
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"count {self.count}: need 1 or more")
        if self.minutes is not None and not self.minutes > 0:
            raise UsageError(f"minutes {self.minutes:g}: need more than 0")

    @property
    def seconds(self) -> float:
        """The length budget in seconds, infinite without one."""
        return float("inf") if self.minutes is None else 60 * self.minutes


@dataclass(frozen=True, slots=True)
class Pick:
    """A clip to label next.

    Attributes:
        offer: the clip.
        value: what it was worth when it was picked.
        reason: why, in words.
    """

    offer: Offer
    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """How often each phrase and each speaker occurs in what is labelled or picked."""

    terms: Counter[str]
    speakers: Counter[str]


def offers(
    utterances: Sequence[Utterance],
    votes: Sequence[Vote],
    bias_list: BiasList | None,
    normalise: Callable[[str], str],
) -> list[Offer]:
    """Pair clips with their votes, in the same order; clips without usable sound are left out."""
    once = cache(normalise)  # the list is the same for every clip
    return [
        Offer(u, v, heard_terms(u, [text for text, _ in v.heard], bias_list, once))
        for u, v in zip(utterances, votes, strict=True)
        if v.error is None
    ]


def heard_terms(
    utterance: Utterance,
    texts: Sequence[str],
    bias_list: BiasList | None,
    normalise: Callable[[str], str],
) -> tuple[str, ...]:
    """Return the phrases of an utterance's context and the list that stand in any of the texts."""
    shared = bias_list.phrases if bias_list else ()
    said = [f" {normalise(text)} " for text in texts]
    found: dict[str, str] = {}
    for written in (*utterance.context, *shared):
        words = normalise(written)
        if words and any(f" {words} " in text for text in said):
            found.setdefault(words, written)
    return tuple(sorted(found.values()))


def count_labelled(
    utterances: Sequence[Utterance],
    bias_list: BiasList | None,
    normalise: Callable[[str], str],
) -> Labelled:
    """Count phrases and speakers in the utterances that have a text."""
    done = [u for u in utterances if u.reference is not None]
    terms: Counter[str] = Counter()
    once = cache(normalise)
    for u in done:
        terms.update(heard_terms(u, [u.reference or ""], bias_list, once))
    return Labelled(terms, Counter(u.block for u in done))


def choose(candidates: Sequence[Offer], budget: Budget, labelled: Labelled) -> list[Pick]:
    """Pick clips one by one, the most valuable first; of equal ones the first by id.

    The order of ``candidates`` does not matter. A clip that does not fit into the minutes left is
    passed over, a shorter one may still fit.

    Raises:
        DataError: no clip fits.
    """
    terms, speakers = Counter(labelled.terms), Counter(labelled.speakers)
    left = {c.utterance.utterance_id: c for c in candidates}
    picks: list[Pick] = []
    seconds = budget.seconds
    while len(picks) < budget.count:
        fitting = [c for c in left.values() if c.utterance.duration_s <= seconds]
        if not fitting:
            break
        so_far = Labelled(terms, speakers)
        best = min(fitting, key=lambda c: (-worth(c, so_far), c.utterance.utterance_id))
        picks.append(Pick(best, worth(best, so_far), in_words(best, so_far)))
        del left[best.utterance.utterance_id]
        seconds -= best.utterance.duration_s
        terms.update(best.terms)
        speakers[best.utterance.block] += 1
    if not picks:
        raise DataError(f"none of {len(candidates)} clips fits; allow more --minutes")
    return picks


def worth(offer: Offer, labelled: Labelled) -> float:
    """Return the value of a clip, given what is labelled and picked so far."""
    rarest = min((labelled.terms[t] for t in offer.terms), default=None)
    term = 0.0 if rarest is None else 1 / (1 + rarest)
    spread = 1 / (1 + labelled.speakers[offer.utterance.block])
    return DOUBT * offer.vote.doubt + TERM * term + SPREAD * spread


def in_words(offer: Offer, labelled: Labelled) -> str:
    """Say why a clip is worth labelling."""
    parts = [f"doubt {100 * offer.vote.doubt:.0f} %"]
    if offer.terms:
        rarest = min(offer.terms, key=lambda t: (labelled.terms[t], t))
        parts.append(f"'{rarest}' heard, {labelled.terms[rarest]} times so far")
    u = offer.utterance
    who = f"speaker {u.speaker}" if u.speaker else f"recording {Path(u.recording).name}"
    return "; ".join([*parts, f"{who}, {labelled.speakers[u.block]} clips so far"])


def decoded_folder(path: Path) -> Path:
    """Return the folder of the decodings that a table of picks is made of."""
    return path.with_name(f"{path.stem}.decoded")


def write_picks(path: Path, picks: Sequence[Pick]) -> None:
    """Write the table of clips to correct, the most valuable first.

    Raises:
        UsageError: the table that is there holds corrections.
    """
    replace_corrections(
        path,
        [
            Correction(
                pick.offer.utterance,
                pick.offer.vote.text,
                {"value": f"{pick.value:.3f}", "reason": pick.reason},
            )
            for pick in picks
        ],
        decoded_folder(path),
    )
