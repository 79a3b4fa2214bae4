"""Speech from the domain's own sentences, for where there is text and no recording.

Reads a file of lines; has voices speak them and writes ``train.jsonl`` and ``dev.jsonl`` with the
audio beside them. Speech to train on is stored clean, tagged so that training sends it through the
channel anew in every epoch; dev speech goes through it once, as test speech would.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asr_adapt.audio import load_audio, probe_audio, write_flac
from asr_adapt.context.bias import split_phrases
from asr_adapt.errors import DataError, UsageError
from asr_adapt.files import why_unreadable, write_whole
from asr_adapt.manifest import write_manifest
from asr_adapt.records import Utterance
from asr_adapt.settings import Augmentation
from asr_adapt.stopping import StopRequest
from asr_adapt.voices import SpeechRequest, Voice, fetch_voices, find_voice, say_files
from asr_adapt.words.controls import has_controls

DEFAULT_VOICES = ("hibari-heart", "hibari-alto", "hibari-tenor", "piper-joe")
"""Those that come with the extra ``voices`` and speak quickly."""
PITCHES_SEMITONES = (-2, -1, 0, 1, 2)
"""Each makes a speaker of its own of a voice."""
SPEEDS = (0.95, 1.25)
"""Of normal: the voices read aloud, people on the radio talk faster."""
KEYING_S = (0.05, 0.4)
"""Silence before and after speech."""
DEV_SHARE = 0.1
"""Of the lines, as `asr_adapt.own_data.DEV_SHARE` of recordings."""
LONGEST_CHARACTERS = 300
"""About 20 s of speech; the neural voices speak up to 400 phonemes in one piece."""
PIECE = 64
"""Requests spoken between two looks at whether to stop."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of the domain.

    Attributes:
        text: as it is to be transcribed.
        spoken: as it is to be read out, without digits.
        context: phrases known before it is said.
    """

    text: str
    spoken: str
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SynthJob:
    """What is to be spoken.

    Attributes:
        lines: at least two, no text twice.
        voices: names of voices; from three on, the last quarter speaks dev only.
        size: utterances in all, dev included.
        channel: one of `asr_adapt.settings.CHANNELS`.
        seed: of all that is drawn.
    """

    lines: Sequence[Line]
    voices: Sequence[str]
    size: int
    channel: str
    seed: int

    def __post_init__(self) -> None:
        if len(self.lines) < 2:
            raise DataError(f"{len(self.lines)} line(s) of text: need 2, one of them for dev")
        if self.size < 2:
            raise UsageError(f"size {self.size}: need 2 utterances or more")
        if not self.voices or len(set(self.voices)) < len(self.voices):
            raise UsageError("voices: need at least one, and none twice")
        Augmentation(channel=self.channel)


@dataclass(frozen=True, slots=True)
class Part:
    """Lines and voices of one split."""

    name: str
    lines: tuple[Line, ...]
    voices: tuple[Voice, ...]
    size: int


def read_lines(path: Path) -> list[Line]:
    """Read sentences: one a line, perhaps with context and spoken form after tabs.

    ``#`` starts a comment line. The context is separated by ``|`` or ``;``. Without a third cell,
    digits are read out one by one, as on the radio. A text that stands twice counts once.

    Raises:
        DataError: the file cannot be read, or a line cannot be spoken; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {why_unreadable(error)}") from None
    lines: dict[str, Line] = {}
    for number, row in enumerate(text.split("\n"), start=1):
        if row.strip() and not row.lstrip().startswith("#"):
            line = read_line(row, f"{path}:{number}")
            lines.setdefault(line.text.casefold(), line)
    if not lines:
        raise DataError(f"{path}: no sentence in it; write one a line")
    return list(lines.values())


def read_line(row: str, where: str) -> Line:
    """Read one line; ``where`` names it in errors."""
    cells = [" ".join(cell.split()) for cell in row.split("\t")]
    if len(cells) > 3 or not cells[0]:
        raise DataError(f"{where}: need text, then perhaps context and spoken form, after tabs")
    text, context, spoken = (*cells, "", "")[:3]
    spoken = spoken or spell_digits(text)
    if not re.search(r"[a-zA-Z]", spoken) or re.search(r"\d", spoken):
        raise DataError(f"{where}: '{spoken[:60]}' cannot be read out; write words, no digits")
    if len(spoken) > LONGEST_CHARACTERS:
        raise DataError(
            f"{where}: {len(spoken)} characters to read out, at most {LONGEST_CHARACTERS} fit into "
            "one utterance; cut it into sentences"
        )
    if has_controls(row.replace("\t", " ").strip()):
        raise DataError(f"{where}: holds control characters")
    return Line(text, spoken, tuple(dict.fromkeys(split_phrases(context))))


def spell_digits(text: str) -> str:
    """Write digits as words, one by one, and the point between them as "decimal".

    So ICAO Annex 10, volume II, 5.2.1.4 has numbers spoken.

    >>> spell_digits("Channel 16, speed 9.5")
    'Channel one six, speed nine decimal five'
    """
    text = re.sub(r"(?<=[0-9])\.(?=[0-9])", " decimal ", text)
    text = re.sub(r"(?<=[0-9])[,:](?=[0-9])", " ", text)
    spelled = re.sub(r"[0-9]", lambda digit: f" {DIGITS[int(digit[0])]} ", text)
    return re.sub(r" +([,.;:!?]|$)", r"\1", " ".join(spelled.split()))


def split_lines(job: SynthJob) -> tuple[Part, Part]:
    """Set lines, and from three voices on voices too, apart for dev."""
    order = np.random.default_rng([job.seed, 1]).permutation(len(job.lines))
    lines = [job.lines[i] for i in order]
    n_dev = max(1, round(DEV_SHARE * len(lines)))
    voices = [find_voice(name) for name in job.voices]
    n_voices = -(-len(voices) // 4) if len(voices) >= 3 else 0
    dev_voices = voices[len(voices) - n_voices :] if n_voices else voices
    size = max(1, round(DEV_SHARE * job.size))
    train = tuple(voices[: len(voices) - n_voices])
    return (
        Part("train", tuple(lines[n_dev:]), train, job.size - size),
        Part("dev", tuple(lines[:n_dev]), tuple(dev_voices), size),
    )


def plan_part(part: Part, out_dir: Path, seed: int) -> list[tuple[Utterance, SpeechRequest]]:
    """Draw who speaks each line, how fast and how high; lines are used equally often."""
    return [plan_one(part, number, out_dir, seed) for number in range(part.size)]


def plan_one(part: Part, number: int, out_dir: Path, seed: int) -> tuple[Utterance, SpeechRequest]:
    """Plan one utterance; it depends on the part, its number and the seed alone."""
    rng = np.random.default_rng([seed, 2, part.name == "dev", number])
    line = part.lines[number % len(part.lines)]
    voice = part.voices[int(rng.integers(len(part.voices)))]
    pitch = int(rng.choice(PITCHES_SEMITONES))
    speed = round(float(rng.uniform(*SPEEDS)), 3)
    lead_s, tail_s = (round(float(s), 3) for s in rng.uniform(*KEYING_S, size=2))
    spoken = (voice.name, line.spoken, pitch, speed, lead_s, tail_s, number)
    path = out_dir / "audio" / f"{hashlib.sha256(repr(spoken).encode()).hexdigest()[:16]}.flac"
    uid = f"{part.name}-{number:05d}"
    row = Utterance(
        utterance_id=uid,
        audio_path=path,
        start_s=0.0,
        duration_s=1.0,  # known once it is spoken
        reference=line.text,
        speaker=f"{voice.name}{pitch:+d}",
        recording_id=uid,
        context=line.context,
        tags={"channel": "clean", "voice": voice.name},
    )
    return row, SpeechRequest(path, voice, line.spoken, speed, pitch, number, lead_s, tail_s)


def speak_lines(
    job: SynthJob,
    out_dir: Path,
    cache_dir: Path,
    *,
    resume: bool,
    stop: StopRequest,
    notice: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[Utterance]]:
    """Have all lines spoken and write the manifests; what is spoken already is kept.

    Returns:
        The utterances by split.

    Raises:
        UsageError: a voice is unknown, or the folder holds other speech, or this and ``resume`` is
            not set.
        EnvironmentProblem: a voice is not installed.
        Stopped: a signal came; ``resume`` goes on.
    """
    parts = split_lines(job)
    # Before the folder is made: a voice that is not installed must leave none behind.
    fetch_voices([voice for part in parts for voice in part.voices], cache_dir)
    open_folder(out_dir, job, resume)
    plans = {part.name: plan_part(part, out_dir, job.seed) for part in parts}
    for terms in sorted({f"{v.source}: {v.licence}" for part in parts for v in part.voices}):
        notice(terms)
    durations = say_all([r for p in plans.values() for _, r in p], cache_dir, stop, progress)
    spoken = {
        name: [replace(row, duration_s=durations[row.audio_path]) for row, _ in rows]
        for name, rows in plans.items()
    }
    if job.channel != "none":
        spoken["dev"] = [through(row, job.channel, job.seed) for row in spoken["dev"]]
    for name, rows in spoken.items():
        write_manifest(out_dir / f"{name}.jsonl", rows)
    return spoken


def say_all(
    requests: Sequence[SpeechRequest],
    cache_dir: Path,
    stop: StopRequest,
    progress: Callable[[int, int], None] | None,
) -> dict[Path, float]:
    """Speak requests in pieces, so that a signal is heeded; returns seconds by path."""
    durations: dict[Path, float] = {}
    for start in range(0, len(requests), PIECE):
        stop.check()
        piece = requests[start : start + PIECE]
        missing = [r for r in piece if not r.path.exists()]
        if missing:
            say_files(missing, cache_dir, min(2, len(missing)))
        durations |= {r.path: probe_audio(r.path).duration_s for r in piece}
        if progress:
            progress(len(durations), len(requests))
    return durations


def through(row: Utterance, channel: str, seed: int) -> Utterance:
    """Send an utterance through a channel of its own, into a file beside the clean one."""
    # Not at the top: the processes that speak import this file and have no use for torch.
    from asr_adapt.training.dataset import through_channel

    path = row.audio_path.with_suffix(f".{channel}.flac")
    if not path.exists():
        rng = np.random.default_rng([seed, 3, int(row.audio_path.stem, 16)])
        sound = load_audio(row.audio_path)
        write_flac(path, through_channel(sound, Augmentation(channel=channel), rng))
    duration_s = probe_audio(path).duration_s
    return replace(
        row, audio_path=path, duration_s=duration_s, tags={**row.tags, "channel": channel}
    )


def open_folder(out_dir: Path, job: SynthJob, resume: bool) -> None:
    """Create the folder with ``synth.json``, or check that it holds the same speech.

    Raises:
        UsageError: it holds other speech, or this and ``resume`` is not set.
    """
    lines = [[line.text, line.spoken, list(line.context)] for line in job.lines]
    record = {
        "kind": "asr-adapt synth",
        "lines": len(lines),
        "lines_sha256": hashlib.sha256(json.dumps(lines).encode()).hexdigest(),
        "voices": list(job.voices),
        "size": job.size,
        "channel": job.channel,
        "seed": job.seed,
    }
    path = out_dir / "synth.json"
    text = json.dumps(record, indent=1) + "\n"
    if path.exists():
        if not resume:
            raise UsageError(f"{out_dir}: holds speech already; use --resume or another --out")
        if path.read_text(encoding="utf-8") != text:
            raise UsageError(
                f"{out_dir}: the speech there was made otherwise; use another --out, or the same "
                "text and options"
            )
        return
    out_dir.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
