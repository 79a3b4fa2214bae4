"""Beneath a Steel Sky: an hour of voice-acted English lines that say something, as utterances.

Reads the unpacked Debian package ``beneath-a-steel-sky`` and writes recordings into a folder.
Its actors are not those of `asr_adapt.sources.fotaq`, and nothing says which of them speaks a line:
it is speech to train on, not to split.
"""

from __future__ import annotations

import re
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

from asr_adapt.files import put_in_place
from asr_adapt.records import Utterance
from asr_adapt.sources.debian import find_one
from asr_adapt.sources.sky_format import (
    SAMPLE_RATE_HZ,
    Archive,
    count_samples,
    read_archive,
    read_samples,
    read_texts,
)

PACKAGE = "beneath-a-steel-sky"
"""The Debian package."""

CREDIT = (
    "Beneath a Steel Sky, (C) 1994 Revolution Software Ltd; free to copy and modify under the "
    "game's own licence (Debian main), keep the notice, not to be sold"
)
"""Whose the speech is and under which terms."""

_STRESSED = re.compile(r"[A-Z][A-Z']*[A-Z]")
_OPENING = re.compile(r"^[a-z]|(?<=[^.][.!?] )[a-z]|\bi\b")  # of a sentence, and the word "I"


def open_sky(game_dir: Path) -> Archive:
    """Read the data file of the unpacked package, or of any folder above its ``sky.dsk``.

    Raises:
        DataError: there is no data file, or not one, or it is not laid out as expected.
    """
    return read_archive(find_one(game_dir, "sky.dsk").parent)


def read_sky(archive: Archive, speech_dir: Path, lengths_s: tuple[float, float]) -> list[Utterance]:
    """Read which recordings of a length have a text; `write_recordings` writes them.

    Words in capitals, which stand for stress, are written in small letters, and the dots of a line
    that goes on from another are taken off.

    Args:
        archive: what `open_sky` returned.
        speech_dir: where the speech is to lie, as ``<number>.wav``.
        lengths_s: the shortest and longest recording.

    Returns:
        The utterances by number, without speaker or context.

    Raises:
        DataError: the data file is not laid out as expected.
    """
    shortest, longest = lengths_s
    return [
        Utterance(
            utterance_id=f"sky-{number}",
            audio_path=speech_dir / f"{number}.wav",
            start_s=0.0,
            duration_s=duration_s,
            reference=plain_text(text),
            recording_id=f"sky-{number}",
        )
        for number, text in sorted(read_texts(archive).items())
        if shortest <= (duration_s := count_samples(archive, number) / SAMPLE_RATE_HZ) <= longest
    ]


def write_recordings(
    archive: Archive,
    utterances: Sequence[Utterance],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Unpack the recordings of utterances that `read_sky` returned; those that are there are kept.

    Args:
        archive: as there.
        utterances: all or some of them.
        progress: called with (done, total) after each file.

    Raises:
        DataError: a recording cannot be unpacked.
    """
    for done, path in enumerate((item.audio_path for item in utterances), start=1):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_wav(path, read_samples(archive, int(path.stem)))
        if progress:
            progress(done, len(utterances))


def plain_text(text: str) -> str:
    """Return a line as one would write it down: what is shouted or stressed in small letters."""
    spoken = text.replace("`", "'").lstrip(". ")
    calm = _STRESSED.sub(lambda word: word[0].lower(), spoken)
    return _OPENING.sub(lambda letter: letter[0].upper(), calm)


def _write_wav(path: Path, samples: bytes) -> None:
    part = path.with_suffix(".part")
    with wave.open(str(part), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes(samples)
    put_in_place(part, path)
