"""Flight of the Amazon Queen: 6500 voice-acted lines of English dialogue, as utterances.

Reads the unpacked Debian package ``flight-of-the-amazon-queen`` and writes its speech files, as the
MP3 they are, into a folder. Splits by voice artist: the credits name twelve for some fifty
characters, so that a split by character would test on voices that were trained on.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.audio import probe_audio
from asr_adapt.records import Utterance
from asr_adapt.sources.debian import find_one
from asr_adapt.sources.fotaq_format import Container, SpokenLine, read_container, read_lines
from asr_adapt.sources.names import find_names

PACKAGE = "flight-of-the-amazon-queen"
"""The Debian package."""

CREDIT = (
    "Flight of the Amazon Queen, (C) 1995 John Passfield and Steven Stamatiadis; free to copy and "
    "modify under the game's own licence (Debian main), keep the notice, not to be sold alone"
)
"""Whose the speech is and under which terms."""

CAST: Mapping[str, str] = {
    "joe": "lavelle",
    **dict.fromkeys(
        ("sparky", "jimmy", "skip", "gorilla", "wedgewood", "guard dog", "eddy", "puppeteer"),
        "hill",
    ),
    **dict.fromkeys(("frank", "bellboy", "bud", "john", "chef", "dazed prisoner"), "hootkins"),
    **dict.fromkeys(("anderson", "henry", "ferryman"), "reitel"),
    **dict.fromkeys(("klunk", "rico"), "hill, reitel or hurley"),
    "hugh": "hurley",
    "guardian": "keith",
    **dict.fromkeys(("faye", "rita"), "valdez"),
    **dict.fromkeys(("ian", "chief"), "james"),
    **dict.fromkeys(("naomi", "secretary", "zombie woman"), "martin"),
    **dict.fromkeys(("azura", "showering amazon", "amazon guards"), "arnold"),
    "lola": "arnold or reagan",
    **dict.fromkeys(("mary-lou", "witch doctor"), "reagan"),
    "bob": "coleman",
}
"""Character to voice artist, after the credits in the data file (``CREDIT1.CRD``).

Where the credits name two or three for one part, they stand on the same side of the split.
"""

DEV_ARTISTS = frozenset({"james", "martin"})
"""Voice artists of the development set."""

TEST_ARTISTS = frozenset({"arnold", "reagan", "arnold or reagan", "coleman"})
"""Voice artists of the test set."""

TRAIN_SPEAKERS = frozenset(
    who for who, artist in CAST.items() if artist not in DEV_ARTISTS | TEST_ARTISTS
)
"""Characters that may be trained on."""

DEV_SPEAKERS = frozenset(who for who, artist in CAST.items() if artist in DEV_ARTISTS)
"""Characters of the development set."""

TEST_SPEAKERS = frozenset(who for who, artist in CAST.items() if artist in TEST_ARTISTS)
"""Characters of the test set: voices that neither train nor dev has heard."""

_ALIASES: Mapping[str, str] = {
    "joe king": "joe",
    "and": "anderson",
    "ape": "gorilla",
    "vicious dinosaur": "gorilla",  # the gorilla in a costume
    "trader bob": "bob",
    "death": "ferryman",
    "dog": "guard dog",
    "jim": "jimmy",
    "lou": "skip",
    "man1": "dazed prisoner",
    "man2": "puppeteer",
    "oracle": "guardian",
    "prin": "azura",
    "princess azura": "azura",
    "azura obj": "azura",
    "sec": "secretary",
    "showeram": "showering amazon",
    "tam": "mary-lou",
    "wedge": "wedgewood",
    "witch": "witch doctor",
    "zombie": "zombie woman",
}

# Grunts, barks, an invented language and speech through a gag: written down, but not words.
_WORDLESS_SCRIPTS = frozenset({"APE.DOG", "DOG.DOG", "CHIEF4.DOG", "WITCH4.DOG", "SPARKY8.DOG"})
_WORDLESS_SPEAKERS = frozenset({"guard dog"})


@dataclass(frozen=True, slots=True)
class SpeakerSplit:
    """Utterances in three sets without a voice in common, each in the order it was given."""

    train: tuple[Utterance, ...]
    dev: tuple[Utterance, ...]
    test: tuple[Utterance, ...]


def read_fotaq(
    game_dir: Path, out_dir: Path, progress: Callable[[int, int], None] | None = None
) -> list[Utterance]:
    """Read every speech file that has a text, and write it into a folder.

    Each utterance is one recorded segment. ``speaker`` is the character, None where the data does
    not say; ``recording_id`` is the script and the speaker; ``context`` holds the names that belong
    to the scene (a room, or all dialogues with one partner), found by
    `asr_adapt.sources.names.find_names` over the whole script: those said in the utterance
    and those that are not, alphabetically, so that the order gives nothing away. Tags: ``artist``,
    ``scene``, and ``kind``, which is ``words`` or ``wordless`` (barks, an invented language).

    Args:
        game_dir: the unpacked package, or any folder above one ``queen.1c``.
        out_dir: where the speech goes, as ``<key>.mp3``; files that are there are kept.
        progress: called with (done, total) after each file.

    Returns:
        The utterances by name of their speech file. Lines without a letter outside ``<angle
        brackets>``, such as ``<sneeze>``, are left out, and so are copies of the same recording.

    Raises:
        DataError: there is no data file, or not one, or it is not laid out as expected.
    """
    container = read_container(find_one(game_dir, "queen.1c"))
    lines = [line for _, line in sorted(read_lines(container).items())]
    contexts = _scene_names(lines)
    spoken = _without_copies(container, [line for line in lines if _has_words(line.text)])
    out_dir.mkdir(parents=True, exist_ok=True)
    utterances = []
    for done, line in enumerate(spoken, start=1):
        path = _extract(container, line.key, out_dir)
        utterances.append(_utterance(line, path, contexts[line.scene]))
        if progress:
            progress(done, len(spoken))
    return utterances


def split_speakers(utterances: Iterable[Utterance]) -> SpeakerSplit:
    """Split by the fixed lists of speakers, so that all recipes agree on who is unseen.

    Utterances without words or with an unknown speaker are in none of the sets.

    Args:
        utterances: what `read_fotaq` returned, or a part of it.

    Returns:
        Three sets with no voice artist in two of them.
    """
    usable = [item for item in utterances if item.tags.get("kind") == "words"]
    return SpeakerSplit(
        train=tuple(item for item in usable if item.speaker in TRAIN_SPEAKERS),
        dev=tuple(item for item in usable if item.speaker in DEV_SPEAKERS),
        test=tuple(item for item in usable if item.speaker in TEST_SPEAKERS),
    )


def _scene_names(lines: Iterable[SpokenLine]) -> dict[str, tuple[str, ...]]:
    scenes: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        scenes[line.scene].append(line.text)
    return find_names(scenes)


def _has_words(text: str) -> bool:
    outside = "".join(part.split(">")[-1] for part in text.split("<"))
    return any(letter.isalpha() for letter in outside)


def _without_copies(container: Container, lines: Iterable[SpokenLine]) -> list[SpokenLine]:
    first: dict[bytes, SpokenLine] = {}
    for line in lines:
        speech = container.read(f"{line.key}.SB")
        first.setdefault(hashlib.sha256(speech).digest(), line)
    return list(first.values())


def _extract(container: Container, key: str, out_dir: Path) -> Path:
    path = out_dir / f"{key}.mp3"
    speech = container.read(f"{key}.SB")
    if not (path.exists() and path.stat().st_size == len(speech)):
        path.write_bytes(speech)
    return path


def _utterance(line: SpokenLine, path: Path, names: Sequence[str]) -> Utterance:
    speaker = _character(line.speaker)
    wordless = line.script in _WORDLESS_SCRIPTS and line.speaker != "joe"
    wordless = wordless or speaker in _WORDLESS_SPEAKERS
    tags = {"scene": line.scene, "kind": "wordless" if wordless else "words"}
    if speaker:
        tags["artist"] = CAST[speaker]
    return Utterance(
        utterance_id=f"fotaq-{line.key}",
        audio_path=path,
        start_s=0.0,
        duration_s=probe_audio(path).duration_s,
        reference=line.text,
        speaker=speaker,
        recording_id=f"fotaq-{line.script}-{speaker or 'unknown'}",
        context=tuple(names),
        tags=tags,
    )


def _character(name: str | None) -> str | None:
    """Who that is, by file name or object name; None for parrots in scenes, notes, captions."""
    if name is None:
        return None
    low = name.lower()
    for known in (low, low.rstrip("0123456789")):
        character = _ALIASES.get(known, known)
        if character in CAST:
            return character
    return None
