"""Write down recordings: `transcribe`.

Reads sound files of any length, writes transcripts with times; goes on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from asr_adapt.api.session import (
    Names,
    PathText,
    Phrases,
    Session,
    names_of,
    read_phrases,
    say_languages,
)
from asr_adapt.errors import UsageError
from asr_adapt.files import check_out_folder
from asr_adapt.records import language_code
from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings


def transcribe(
    audio: PathText | Sequence[PathText],
    *,
    model: str,
    out: PathText,
    adapter: PathText | None = None,
    bias: Phrases | None = None,
    telling: BiasSettings | None = None,
    formats: Names = ("srt",),
    language: str = "en",
    speech_threshold: float = 0.5,
    prompts: PromptSettings | None = None,
    decode: DecodeSettings | None = None,
    device: str = "auto",
    session: Session | None = None,
) -> list[Path]:
    """Write down what is said in recordings of any length, with times.

    Args:
        audio: sound files, or one.
        model: base model: short name, hub id or folder.
        out: folder for the transcripts; work that was stopped goes on there.
        adapter: folder that `finetune` wrote.
        bias: phrases that may be said.
        telling: how phrases are told.
        formats: of ``txt``, ``srt``, ``vtt`` and ``json``.
        language: ISO 639-1 code of the speech.
        speech_threshold: probability from which a sound is speech, 0 to 1.
        prompts: how phrases become a prompt where no adapter says so.
        decode: batch size (stretches of speech) and beams.
        device: ``auto``, ``cpu`` or ``cuda``.
        session: how work is watched.

    Returns:
        The files written, in the order of ``audio``.

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    from asr_adapt.base_weights.weights import resolve_weights
    from asr_adapt.transcription import TranscriptionJob
    from asr_adapt.transcription import transcribe as write_down
    from asr_adapt.voice_activity import VoiceSettings

    check_out_folder(Path(out))
    session = session or Session()
    paths = [audio] if isinstance(audio, str | PathLike) else list(audio)
    if not paths:
        raise UsageError("no sound file is given: nothing to transcribe")
    job = TranscriptionJob(
        weights=resolve_weights(model),
        adapter=Path(adapter) if adapter else None,
        bias_list=read_phrases(bias),
        bias=telling or BiasSettings(),
        prompts=prompts or PromptSettings(),
        decode=decode or DecodeSettings(),
        voice=VoiceSettings(threshold=speech_threshold),
        language=language_code(language),
        device=device,
        formats=names_of(formats),
    )
    say_languages(adapter, (job.language,), session)
    show, stop = session.display.start, session.stop
    return write_down([Path(p) for p in paths], job, Path(out), stop=stop, progress_for=show)
