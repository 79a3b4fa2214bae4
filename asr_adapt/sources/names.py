"""Names in a script: what one would put on a list before a scene is recognised.

Pure text in, phrases out; knows nothing of any one script.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

COMMON_SHARE = 0.2
"""A name that is in more than this share of the scenes is known to everybody, and no help."""

_TITLES = frozenset({"Doc", "Doctor", "Dr", "Miss", "Mr", "Mrs", "Ms"})  # no names by themselves

_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*|[.?!…>\"]+")
_CAPITALISED = re.compile(r"[A-Z][a-z]+(?:[-'][A-Z]?[a-z]+)*")
_SENTENCE_END = re.compile(r"[.?!…>\"]+")


def find_names(scenes: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the names that occur in each scene.

    A name is a run of capitalised words that do not begin a sentence ("Crystal Skull", "Floda").
    A single word counts only if the script never writes it in lower case. Names said in more than
    `COMMON_SHARE` of the scenes, and in more than one, are left out. A name found anywhere belongs
    to every scene whose text contains it, at the beginning of a sentence as well.

    Args:
        scenes: the lines of each scene, by its name.

    Returns:
        The names of each scene in alphabetical order; every scene has an entry.
    """
    lines = [line for texts in scenes.values() for line in texts]
    lower = {word for line in lines for word in re.findall(r"\b[a-z][a-z'-]*", line)}
    runs = {run for line in lines for run in _runs(line)}
    names = {run for run in runs if " " in run or run.lower() not in lower} - _TITLES
    found = {scene: _names_in(" ".join(texts), names) for scene, texts in scenes.items()}
    scenes_with = Counter(name for present in found.values() for name in present)
    most = max(1, COMMON_SHARE * len(scenes))
    common = {name for name, count in scenes_with.items() if count > most}
    return {scene: tuple(sorted(present - common)) for scene, present in found.items()}


def _runs(line: str) -> Iterator[str]:
    """Runs of capitalised words that begin neither the line nor a sentence in it."""
    run: list[str] = []
    begins = True
    for token in _WORD.findall(line):
        word = re.sub(r"'s?$", "", token)  # "Floda's" is about Floda
        if not begins and _CAPITALISED.fullmatch(word):
            run.append(word)
        elif run:
            yield " ".join(run)
            run = []
        begins = bool(_SENTENCE_END.fullmatch(token))
    if run:
        yield " ".join(run)


def _names_in(text: str, names: set[str]) -> set[str]:
    words = re.sub(r"'s\b", "", text)
    return {name for name in names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words)}
