"""Everyday sentences with numbers: general speech that a game's lines hardly hold.

Calls are labelled with numbers as words, and an adapter that hears no others takes "to" and "for"
for numbers on clear speech too. These sentences, spoken clearly by voices of training and learned
from what the untouched model writes of them, keep its own way. Others of the kind, by the voices of
dev, measure whether it was kept. None is from a test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asr_adapt.records import Utterance
from asr_adapt.voices import SpeechRequest, find_voice

SENTENCES = Path(__file__).with_name("everyday.txt")
DEV_SENTENCES = Path(__file__).with_name("everyday_dev.txt")
VOICES = (
    "piper-joe",
    "kokoro-alpha",
    "piper-joe",
    "kokoro-gongitsune",
    "piper-joe",
    "kokoro-alpha-gongitsune",
)
"""In turn; the clearest that the training calls have, half of them by the quicker engine."""
QUICK_VOICES = ("piper-joe",)
"""Those alone that a small size has time for."""
DEV_VOICES = ("kokoro-tebukuro", "flite-kal16")
"""In turn; no sentence or voice of these is trained on."""
PITCHES_SEMITONES = (0, -1, 1, 0)
SPEED = 1.05


def requests(folder: Path, file: Path, count: int, voices: Sequence[str]) -> list[SpeechRequest]:
    """Return how the first sentences of a file are to be spoken, each into a file of ``folder``."""
    sentences = file.read_text(encoding="utf-8").splitlines()[:count]
    return [
        SpeechRequest(
            path=folder / f"{file.stem}-{number:03d}.flac",
            voice=find_voice(voices[number % len(voices)]),
            text=sentence,
            speed=SPEED,
            pitch_semitones=PITCHES_SEMITONES[number % len(PITCHES_SEMITONES)],
            seed=number,
        )
        for number, sentence in enumerate(sentences)
    ]


def row(request: SpeechRequest, duration_s: float) -> Utterance:
    """Return the row of a spoken sentence."""
    return Utterance(
        utterance_id=request.path.stem,
        audio_path=request.path,
        start_s=0.0,
        duration_s=duration_s,
        reference=request.text,
        speaker=request.speaker,
        recording_id=request.path.stem,
        tags={"set": "everyday", "topic": "general", "voice": request.voice.name},
    )
