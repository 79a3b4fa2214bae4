"""By what the shown utterances can be narrowed down: set, arm, noise, length, flag, speaker, tags.

Pure functions over a `Report`. A value is named by its place in its facet, so that no text from the
data takes part in what the page's script compares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from asr_adapt.reporting.examples import Example
from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.reporting.slices import MOST_VALUES, NOISE_TAGS, natural

LENGTHS_S = (0, 2, 5, 10, 20)
"""Lower ends of the bins of length."""

MOST_SPEAKERS = 300
"""A longer list is no help to choose from; search finds speakers by name too."""

_Key = tuple[str, str]  # kind of facet, name
_Value = tuple[tuple[float, str], str]  # place in the order, text


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing to narrow down by, with its values in the order to show them."""

    title: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """An utterance on the page.

    Attributes:
        number: its place among all that are shown.
        part: the set it is from.
        example: what is shown of it.
        places: ``facet.value`` for every value it has, as places in `Browser.facets`.
        errors: word errors per arm of `Browser.arms`; None where there is no text.
    """

    number: int
    part: SetReport
    example: Example
    places: tuple[str, ...]
    errors: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Browser:
    """All shown utterances, the arms of all sets and what to narrow down by."""

    shown: tuple[Shown, ...]
    arms: tuple[str, ...]
    facets: tuple[Facet, ...]


def browse(report: Report) -> Browser:
    """Collect the shown utterances of all sets and by what they can be narrowed down."""
    pairs = [(part, each) for part in report.sets for each in part.examples]
    arms = tuple(dict.fromkeys(arm.arm for part in report.sets for arm in part.scores.arms))
    values = [list(_values(part, each)) for part, each in pairs]
    found: dict[_Key, set[_Value]] = defaultdict(set)
    for row in values:
        for key, value in row:
            found[key].add(value)
    kept = {key: sorted(each) for key, each in found.items() if _helps(key, len(each))}
    facets = tuple(Facet(key[1], tuple(text for _, text in each)) for key, each in kept.items())
    order = {key: place for place, key in enumerate(kept)}
    shown = tuple(
        Shown(
            number,
            part,
            each,
            tuple(
                f"{order[key]}.{kept[key].index(value)}"
                for key, value in values[number]
                if key in kept
            ),
            tuple(_errors(each, arm) for arm in arms),
        )
        for number, (part, each) in enumerate(pairs)
    )
    return Browser(shown, arms, facets)


def _helps(key: _Key, count: int) -> bool:
    if key[0] == "flag":
        return count > 0
    most = {"tag": MOST_VALUES, "speaker": MOST_SPEAKERS}.get(key[0], count)
    return 2 <= count <= most


def _values(part: SetReport, each: Example) -> Iterator[tuple[_Key, _Value]]:
    utterance = each.utterance
    yield ("set", "test set"), ((0.0, part.entry.title), part.entry.title)
    for place, heard in enumerate(each.heard):
        said = "failed" if heard.errors is None else "wrong" if heard.errors else "right"
        yield ("arm", "arm"), ((place, said), f"{heard.arm} {said}")
        for flag in heard.score.flags:
            yield ("flag", "flag"), ((place, flag), f"{flag} in {heard.arm}")
    yield ("length", "length"), _length(utterance.duration_s)
    low = part.noise.bin(utterance.utterance_id)
    if low is not None:
        yield ("noise", part.noise.title), ((low * part.noise.step_db, ""), part.noise.label(low))
    if utterance.speaker:
        yield ("speaker", "speaker"), (natural(utterance.speaker), utterance.speaker)
    for name, value in utterance.tags.items():
        if name not in NOISE_TAGS and value:
            yield ("tag", name), (natural(value), value)


def _length(duration_s: float) -> _Value:
    place = max(i for i, low in enumerate(LENGTHS_S) if duration_s >= low)
    last = place == len(LENGTHS_S) - 1
    low = LENGTHS_S[place]
    text = f"{low} s or more" if last else f"{low} to {LENGTHS_S[place + 1]} s"
    return (float(low), ""), text


def _errors(each: Example, arm: str) -> int | None:
    return next((heard.errors for heard in each.heard if heard.arm == arm), None)
