"""Recordings of any length to text with times: find the speech, decode it, write it down.

::

    OUT/<recording>.srt|vtt|txt|json    the transcripts
    OUT/transcribe.json                 what they were made with; other settings need another OUT
    OUT/hypotheses.jsonl                every decoded stretch, appended while decoding

Stopped work goes on when the same command is given again: recordings that are written are passed
over, stretches in the log are not decoded twice. A recording that cannot be decoded whole is not
written; the same command tries again what failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asr_adapt.adapter import check_base, read_card
from asr_adapt.audio import probe_audio
from asr_adapt.base_weights.weights import ResolvedWeights
from asr_adapt.context.bias import list_record
from asr_adapt.context.plans import telling_plan
from asr_adapt.context.telling import Teller
from asr_adapt.decode import ArmPlan, decode_arms
from asr_adapt.errors import AudioError, DataError, UsageError
from asr_adapt.files import file_sha256, write_json
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses, refuse_leftovers
from asr_adapt.model import (
    SpeechModel,
    language_problem,
    load_base,
    pick_device,
    read_generation,
    with_adapter,
)
from asr_adapt.records import BiasList, Hypothesis, Utterance
from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.voice_activity import VoiceSettings, find_speech
from asr_adapt.words.text import BY_LANGUAGE, normaliser_for
from asr_adapt.words.transcripts import RENDERERS, Heard, Transcript, write_transcript

LOG_NAME = "hypotheses.jsonl"

GROUP_S = 1800.0
"""Recordings are listened to and decoded in groups of about so many seconds, so that short ones
share batches and long ones are written as soon as they are done."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TranscriptionJob:
    """How recordings are transcribed.

    Attributes:
        weights: the base model.
        adapter: an adapter folder, or None.
        bias_list: phrases that may be said in every recording, or None.
        bias: how the phrases are told.
        prompts: how phrases become a prompt where no adapter says so.
        decode: decoding settings.
        voice: how speech is found.
        language: ISO 639-1 code of the speech.
        device: ``auto``, ``cpu`` or ``cuda``.
        formats: of ``txt``, ``srt``, ``vtt``, ``json``.
    """

    weights: ResolvedWeights
    adapter: Path | None = None
    bias_list: BiasList | None = None
    bias: BiasSettings = field(default_factory=BiasSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    language: str = "en"
    device: str = "auto"
    formats: Sequence[str] = ("srt",)

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in RENDERERS:
                raise UsageError(f"format '{name}' is unknown; use one of {', '.join(RENDERERS)}")

    @property
    def arm(self) -> str:
        """The arm that decodes, as in evaluation."""
        return ("lora" if self.adapter else "base") + ("+bias" if self.bias_list else "")


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound file to transcribe; ``name`` is that of its transcripts."""

    name: str
    path: Path
    duration_s: float


def transcribe(
    audio: Sequence[Path],
    job: TranscriptionJob,
    out_dir: Path,
    *,
    stop: StopRequest,
    progress_for: Callable[[str], Progress],
) -> list[Path]:
    """Transcribe recordings into ``out_dir``, as far as they are not written yet.

    Args:
        audio: sound files of any length.
        job: model, phrases, settings and formats.
        out_dir: is made; may hold transcripts made with the same settings.
        stop: checked between batches and recordings.
        progress_for: starts a progress line with a title.

    Returns:
        Every transcript asked for, in the order of ``audio``.

    Raises:
        AudioError: a file is not there, or none is a sound; said before anything is decoded.
        DataError: the model does not know the language; or recordings could not be decoded whole,
            said when all others are written.
        UsageError: two recordings of one name, one with a name that the folder itself needs, or
            ``out_dir`` was made with other settings.
        Stopped: a signal came; the same call goes on.
    """
    generation = read_generation(job.weights)
    if problem := language_problem(generation, job.weights.name, job.language):
        raise DataError(problem)
    recordings, failed = open_recordings(audio)
    made_with = open_folder(out_dir, job, recordings)
    lacking = lacking_text(out_dir)
    waiting = [
        r for r in recordings if r.name in lacking or not is_written(r, out_dir, job.formats)
    ]
    if waiting:
        model = load_base(job.weights, pick_device(job.device))
        model = with_adapter(model, job.adapter) if job.adapter else model
        for group in groups(waiting):
            failed |= transcribe_group(group, model, job, out_dir, made_with, stop, progress_for)
    if failed:
        names = ", ".join(f"'{name}'" for name in failed)
        raise DataError(
            f"{len(failed)} of {len(audio)} recordings cannot be decoded whole and are not "
            f"written ({names}), the first: {next(iter(failed.values()))}; the same command tries "
            "again"
        )
    return [path for r in recordings for path in transcripts(r, out_dir, job.formats)]


def open_recordings(audio: Sequence[Path]) -> tuple[list[Recording], dict[str, str]]:
    """Read the header of every sound file.

    Returns:
        The recordings, and by the names of files that are no sounds what is wrong with them.

    Raises:
        AudioError: a file is not there, or none of them is a sound.
        UsageError: two files would have the same transcript.
    """
    paths: dict[str, Path] = {}
    recordings: list[Recording] = []
    failed: dict[str, str] = {}
    for path in audio:
        other = paths.setdefault(path.stem, path)
        if other is not path:
            raise UsageError(
                f"{path}: its transcript would be that of {other}; "
                "use two calls with different --out"
            )
    for name, path in paths.items():
        try:
            recordings.append(Recording(name, path, probe_audio(path).duration_s))
        except AudioError as error:
            if not path.exists() or len(failed) + 1 == len(paths):
                raise
            failed[name] = str(error)
    return recordings, failed


def open_folder(
    out_dir: Path, job: TranscriptionJob, recordings: Sequence[Recording]
) -> dict[str, Any]:
    """Create the folder, or check that what is in it was made with the same settings and sounds.

    Returns:
        What transcripts are made with, as JSON.

    Raises:
        UsageError: a transcript would replace the folder's record, the settings or a recording
            have changed, or nothing says what made what is there.
    """
    made_with = settings_record(job)
    path = out_dir / "transcribe.json"
    for recording in recordings:
        if path in transcripts(recording, out_dir, job.formats):
            raise UsageError(
                f"{recording.path}: its transcript would be {path}, where the folder's record is; "
                "rename the recording, or leave out that --format"
            )
    sounds: dict[str, str] = {}
    if path.exists():
        before = read_record(path)
        sounds = before["recordings"]
        if before["made_with"] != made_with:
            differing = [k for k in made_with if before["made_with"].get(k) != made_with[k]]
            raise UsageError(
                f"{out_dir}: holds transcripts made with another {', '.join(differing)}; "
                "use another --out"
            )
    else:
        written = [file for r in recordings for file in transcripts(r, out_dir, job.formats)]
        refuse_leftovers(path, [out_dir / LOG_NAME, *written])
    for recording in recordings:
        digest = file_sha256(recording.path)
        if sounds.setdefault(recording.name, digest) != digest:
            reason = f"another recording '{recording.name}' was transcribed there"
            raise UsageError(f"{out_dir}: {reason}; use another --out")
    record = {"kind": "asr-adapt transcripts", "made_with": made_with, "recordings": sounds}
    write_json(path, record)
    return made_with


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of a folder of transcripts.

    Raises:
        UsageError: it is none of ours.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record["made_with"], dict) and isinstance(record["recordings"], dict):
            return dict(record)
    except (ValueError, KeyError, TypeError):
        pass
    raise UsageError(f"{path}: is no record of transcripts; use another --out")


def settings_record(job: TranscriptionJob) -> dict[str, Any]:
    """Return everything that decides what a transcript says, as JSON.

    Raises:
        UsageError: the adapter was trained on another base.
    """
    adapter = None
    if job.adapter:
        card = read_card(job.adapter)
        check_base(job.adapter, card, job.weights.name, job.weights.sha256)
        adapter = {"sha256": card.weights_sha256, "strength": card.strength}
    record = {
        "model": {"name": job.weights.name, "sha256": job.weights.sha256},
        "adapter": adapter,
        "bias": {"list": list_record(job.bias_list), **asdict(job.bias)} if job.bias_list else None,
        "prompts": asdict(job.prompts) if job.bias_list else None,
        "decode": asdict(job.decode),
        "voice": asdict(job.voice),
        "language": job.language,
    }
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain


def is_written(recording: Recording, out_dir: Path, formats: Sequence[str]) -> bool:
    """Say whether a recording has all its transcripts."""
    return all(path.is_file() for path in transcripts(recording, out_dir, formats))


def transcripts(recording: Recording, out_dir: Path, formats: Sequence[str]) -> list[Path]:
    """Return where the transcripts of a recording are to be."""
    return [out_dir / f"{recording.name}.{name}" for name in formats]


def lacking_text(out_dir: Path) -> set[str]:
    """Return the names of recordings of which a stretch failed, whatever was written of them."""
    failed = HypothesisLog(out_dir / LOG_NAME).failed
    return {utterance_id.rpartition("-")[0] for utterance_id, _ in failed}


def groups(recordings: Sequence[Recording]) -> Iterator[list[Recording]]:
    """Yield recordings in groups of about ``GROUP_S``; a longer one is a group of its own."""
    group: list[Recording] = []
    for recording in recordings:
        if group and sum(r.duration_s for r in group) + recording.duration_s > GROUP_S:
            yield group
            group = []
        group.append(recording)
    if group:
        yield group


def transcribe_group(
    group: Sequence[Recording],
    model: SpeechModel,
    job: TranscriptionJob,
    out_dir: Path,
    made_with: Mapping[str, object],
    stop: StopRequest,
    progress_for: Callable[[str], Progress],
) -> dict[str, str]:
    """Find the speech of some recordings, decode it and write the transcripts that lack nothing.

    Returns:
        Why the other recordings cannot be decoded whole, by name.
    """
    stretches: dict[str, list[Utterance]] = {}
    failed: dict[str, str] = {}
    for recording in group:
        stop.check()
        progress = progress_for(f"{recording.path.name}: finding speech (s)")
        try:
            stretches[recording.name] = speech_of(recording, job, progress)
        except AudioError as error:
            failed[recording.name] = str(error)
    spoken = [u for rows in stretches.values() for u in rows]
    title = group[0].path.name if len(group) == 1 else f"{len(group)} recordings"
    found = decode_speech(spoken, model, job, out_dir, stop, progress_for(f"{title}: decoding"))
    for recording in (r for r in group if r.name in stretches):
        rows = [(u, found[u.utterance_id]) for u in stretches[recording.name]]
        if errors := [row.error for _, row in rows if row.error is not None]:
            failed[recording.name] = errors[0]
            continue
        heard = [heard_in(u, row) for u, row in rows]
        audio = recording.path.name
        transcript = Transcript(recording.name, audio, recording.duration_s, heard, made_with)
        write_transcript(transcript, out_dir, job.formats)
    return failed


def speech_of(recording: Recording, job: TranscriptionJob, progress: Progress) -> list[Utterance]:
    """Return the speech of a recording as utterances, named by their start in milliseconds."""
    return [
        Utterance(
            utterance_id=f"{recording.name}-{round(span.start_s * 1000):08d}",
            audio_path=recording.path,
            start_s=span.start_s,
            duration_s=span.end_s - span.start_s,
            language=job.language,
            recording_id=recording.name,
        )
        for span in find_speech(recording.path, job.voice, progress)
    ]


def decode_speech(
    spoken: Sequence[Utterance],
    model: SpeechModel,
    job: TranscriptionJob,
    out_dir: Path,
    stop: StopRequest,
    progress: Progress,
) -> dict[str, Hypothesis]:
    """Decode stretches that the log lacks or that failed before; return all by id."""
    log = HypothesisLog(out_dir / LOG_NAME)
    log.retry_failed()
    if spoken:
        plan = arm_plan(spoken, model, job)
        decode_arms(model, spoken, [plan], job.decode, log, stop, progress)
    rows = read_hypotheses(log.path) if log.path.exists() else []
    return {row.utterance_id: row for row in rows if row.arm == job.arm}


def arm_plan(spoken: Sequence[Utterance], model: SpeechModel, job: TranscriptionJob) -> ArmPlan:
    """Return the plan of the arm that decodes, told the list if there is one."""
    if not job.bias_list:
        return ArmPlan(job.arm)
    prompts = job.prompts
    if job.adapter:
        card = read_card(job.adapter)
        prompts = PromptSettings(card.prompt_template, card.prompt_budget_tokens)
    normaliser = normaliser_for(BY_LANGUAGE, {job.language})
    teller = Teller(job.bias_list.phrases, job.bias, prompts, model.tokenize, normaliser)
    return telling_plan(job.arm, spoken, model, teller)


def heard_in(utterance: Utterance, row: Hypothesis) -> Heard:
    """Return what an utterance's hypothesis says, with its times."""
    start_s = round(utterance.start_s, 3)
    end_s = round(utterance.start_s + utterance.duration_s, 3)
    return Heard(start_s, end_s, row.text, row.avg_logprob, row.flags, row.error)
