"""Asterisk's telephone prompts: one clear English voice, 8 kHz, with the text of each prompt.

Reads the unpacked Debian packages ``asterisk-core-sounds-en-wav`` (sound) and
``asterisk-core-sounds-en`` (text). Clean everyday speech of another kind than a recipe's own: it
shows what fine-tuning made a model forget.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from asr_adapt.audio import probe_audio
from asr_adapt.errors import DataError
from asr_adapt.records import Utterance
from asr_adapt.sources.debian import find_one

SOUND_PACKAGE = "asterisk-core-sounds-en-wav"
"""The Debian package with the recordings."""

TEXT_PACKAGE = "asterisk-core-sounds-en"
"""The Debian package with the text of each recording."""

CREDIT = "Asterisk Core Sounds, spoken by Allison Smith, (C) Digium; CC-BY-SA-3.0"
"""Whose the speech is and under which terms."""

SPEAKER = "asterisk-allison"
"""The one speaker of the set."""

_NOTE = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")  # "[ascending tones]", "<beep>": not said


def read_asterisk(sounds_dir: Path, transcript_gz: Path) -> list[Utterance]:
    """Read the prompts that are speech.

    Notes in brackets are taken out of the text; prompts with nothing left (tones, silence) and
    prompts without a recording are left out. Digits and commas stay as they are written.

    Args:
        sounds_dir: the folder that holds ``agent-pass.wav`` and folders such as ``digits``, or any
            folder above it.
        transcript_gz: ``core-sounds-en.txt.gz``, lines of ``name: text``.

    Returns:
        One utterance a prompt, by name; the audio stays where it is. ``tags["group"]`` is the
        folder (``digits``, ``letters``, ...; ``prompts`` for the rest).

    Raises:
        DataError: the text or the recordings are not where they should be.
        AudioError: a recording cannot be read.
    """
    root = find_one(sounds_dir, "agent-pass.wav").parent
    utterances = []
    for name, written in sorted(_read_transcript(transcript_gz)):
        text = " ".join(_NOTE.sub(" ", written).split())
        path = root / f"{name}.wav"
        if any(letter.isalpha() for letter in text) and path.is_file():
            utterances.append(_utterance(name, text, path))
    return utterances


def find_asterisk(sound_package: Path, text_package: Path) -> list[Utterance]:
    """Read the prompts from the two unpacked packages; see `read_asterisk`."""
    document = f"usr/share/doc/{TEXT_PACKAGE}/core-sounds-en.txt.gz"
    return read_asterisk(sound_package, text_package / document)


def _read_transcript(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a gzipped text of the prompts ({error})") from None
    for line in lines:
        name, colon, text = line.partition(":")
        if colon and re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?", name):
            yield name, text.strip()


def _utterance(name: str, text: str, path: Path) -> Utterance:
    group, slash, _ = name.partition("/")
    return Utterance(
        utterance_id=f"asterisk-{name.replace('/', '-')}",
        audio_path=path,
        start_s=0.0,
        duration_s=probe_audio(path).duration_s,
        reference=text,
        speaker=SPEAKER,
        recording_id=f"asterisk-{name}",
        tags={"group": group if slash else "prompts"},
    )
