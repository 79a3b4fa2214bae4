"""How work that was started from Python is watched, and what its arguments may be.

Read by the other modules of the package. Reads lists of phrases; importing it loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from asr_adapt.records import BiasList

if TYPE_CHECKING:
    from asr_adapt.own_data import ReadingRules
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.stopping import StopRequest

PathText = str | PathLike[str]
Phrases = PathText | Sequence[str]
"""A file with one phrase a line, or the phrases themselves."""


Names = str | Sequence[str]
"""One name of what can be chosen, or several."""


def names_of(chosen: Names) -> tuple[str, ...]:
    """Return the names that are chosen, each once; a string is one name, not its letters."""
    return (chosen,) if isinstance(chosen, str) else tuple(dict.fromkeys(chosen))


def _quiet() -> ProgressDisplay:
    from asr_adapt.progress import ProgressDisplay

    return ProgressDisplay(quiet=True)


def _no_stop() -> StopRequest:
    from asr_adapt.stopping import StopRequest

    return StopRequest()


@dataclass(frozen=True, slots=True)
class Session:
    """How work is watched; the defaults suit a program that only wants the result.

    Attributes:
        display: shows progress on standard error; silent unless one is given.
        stop: work ends, with `asr_adapt.errors.Stopped`, soon after a stop is asked for.
        command: how the work was started, for the record.
    """

    display: ProgressDisplay = field(default_factory=_quiet)
    stop: StopRequest = field(default_factory=_no_stop)
    command: Sequence[str] = ("asr_adapt",)


def default_reading() -> ReadingRules:
    """Return how data is read where nothing is said about it."""
    from asr_adapt.importers.columns import ColumnNames
    from asr_adapt.own_data import ReadingRules

    return ReadingRules(ColumnNames())


def say_languages(adapter: PathText | None, languages: Iterable[str], session: Session) -> None:
    """Say where an adapter is to read languages that it did not learn."""
    from asr_adapt.adapter import not_learned, read_card

    if adapter and (notice := not_learned(read_card(Path(adapter)), languages)):
        session.display.say(notice)


def read_phrases(given: Phrases | None) -> BiasList | None:
    """Return the phrases of a file or a list; None for none."""
    from asr_adapt.context.bias import read_bias_list, unique

    if given is None:
        return None
    if isinstance(given, str | PathLike):
        return read_bias_list(Path(given))
    return BiasList("given", unique(given), "given by the program")
