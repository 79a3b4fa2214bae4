"""What the commands do, as functions: `evaluate`, `finetune`, `transcribe` and `report`.

Each takes paths and plain settings, does the whole work of the command of the same name, writes the
same files and returns what it made. Importing this loads nothing heavy; calling does. They are also
names of the package: ``import asr_adapt; asr_adapt.evaluate(...)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from asr_adapt.errors import UsageError
from asr_adapt.records import ARMS, BiasList, Utterance
from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings, TrainSettings

if TYPE_CHECKING:
    from asr_adapt.adapter import AdapterCard
    from asr_adapt.own_data import ReadingRules
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.reporting.results import Report
    from asr_adapt.stopping import StopRequest
    from asr_adapt.training.train_job import TrainJob

PathText = str | PathLike[str]
Phrases = PathText | Sequence[str]
"""A file with one phrase a line, or the phrases themselves."""


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


def evaluate(
    data: PathText,
    *,
    model: str,
    out: PathText,
    adapter: PathText | None = None,
    strength: float | None = None,
    bias: Phrases | None = None,
    telling: BiasSettings | None = None,
    examples: PathText | None = None,
    general: PathText | None = None,
    split: str = "test",
    arms: Sequence[str] = ARMS,
    reading: ReadingRules | None = None,
    prompts: PromptSettings | None = None,
    decode: DecodeSettings | None = None,
    normaliser: str = "spoken-en",
    device: str = "auto",
    seed: int = 1,
    also: Sequence[str] = (),
    allow_leaks: bool = False,
    resume: bool = False,
    session: Session | None = None,
) -> Report:
    """Decode labelled speech with every arm that applies, score it and write the report.

    Args:
        data: table, manifest or folder with audio and text.
        model: base model: short name, hub id or folder.
        out: run directory to write.
        adapter: folder that `finetune` wrote; without it there are no ``lora`` arms.
        strength: part of the adapter's change that is applied, 0 to 1; None as training chose.
        bias: phrases that may be said in every utterance.
        telling: how phrases are told.
        examples: training transcripts, one a line, for prompts of strategy ``few-shot``.
        general: general speech, to see what the adapter forgot.
        split: rows to use if the data has splits; ``all`` for all.
        arms: arms to decode, of those that apply.
        reading: names of columns, language, and what is allowed in the data.
        prompts: how phrases become a prompt where no adapter says so.
        decode: batch size (utterances) and beams.
        normaliser: what texts are brought to before they are compared.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of the intervals.
        also: further formats of the results (`asr_adapt.reporting.exports`).
        allow_leaks: go on if test speech was trained on; the report says so.
        resume: go on with a run that was stopped.
        session: how work is watched.

    Returns:
        The report: ``report.primary.scores.arms`` has each arm's ``wer``, a fraction.

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    from asr_adapt.base_weights.weights import resolve_weights
    from asr_adapt.evaluation import EvaluationJob, TestSet
    from asr_adapt.evaluation import evaluate as decode_run
    from asr_adapt.own_data import read_checked, select_for_test
    from asr_adapt.words.text import get_normaliser

    session, reading = session or Session(), reading or _reading()
    display = session.display
    get_normaliser(normaliser)
    path, run_dir = Path(data), Path(out)
    checked = read_checked(path, reading, display)
    rows = select_for_test(checked, split, display.say)
    sets = [TestSet("test", "domain", path.name, rows)]
    if general:
        speech = read_checked(Path(general), reading, display).utterances
        sets.append(TestSet("general", "general", Path(general).name, speech))
    session.stop.check()
    job = EvaluationJob(
        sets=sets,
        weights=resolve_weights(model),
        adapter=Path(adapter) if adapter else None,
        strength=strength,
        bias_list=_phrases(bias),
        prompts=prompts or PromptSettings(),
        decode=decode or DecodeSettings(),
        normaliser=normaliser,
        device=device,
        seed=seed,
        arms=arms,
        bias=telling or BiasSettings(),
        examples=_phrases(examples),
        command=session.command,
        leak_check=_check_leaks(adapter, rows, allow_leaks, session) if adapter else "",
        excluded=checked.excluded,
    )
    decode_run(job, run_dir, resume=resume, stop=session.stop, progress_for=display.start)
    return report([run_dir], run_dir, seed=seed, also=also, session=session)


def finetune(
    data: PathText,
    *,
    model: str,
    out: PathText,
    settings: TrainSettings | None = None,
    dev: PathText | None = None,
    test: PathText | None = None,
    general: PathText | None = None,
    reading: ReadingRules | None = None,
    prompts: PromptSettings | None = None,
    normaliser: str = "spoken-en",
    device: str = "auto",
    seed: int = 1,
    report_to: str = "none",
    allow_leaks: bool = False,
    resume: bool = False,
    session: Session | None = None,
) -> AdapterCard:
    """Train an adapter on labelled speech and choose its best step by decoded dev WER.

    Args:
        data: table, manifest or folder with audio and text.
        model: base model: short name, hub id or folder.
        out: folder for the adapter.
        settings: how weights are trained.
        dev: speech to choose the best step with; None for a tenth of the data, by speaker.
        test: test speech, only to make sure that none of it is in the data.
        general: general speech, mixed in so that it is not forgotten; needs no text.
        reading: names of columns, language, and what is allowed in the data.
        prompts: how phrases become a prompt.
        normaliser: under which dev WER is counted.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of everything drawn.
        report_to: where the Trainer logs as well.
        allow_leaks: go on if test speech is in the data.
        resume: go on with a run that was stopped; a finished one is only read.
        session: how work is watched.

    Returns:
        The adapter's card: chosen step, dev WER (fractions), minutes of labels, seconds, checksums.

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    session, folder = session or Session(), Path(out)
    done = finished_adapter(folder, resume, session)
    if done is not None:
        return done
    job = training_job(
        data,
        settings=settings,
        dev=dev,
        test=test,
        general=general,
        reading=reading,
        prompts=prompts,
        normaliser=normaliser,
        seed=seed,
        report_to=report_to,
        allow_leaks=allow_leaks,
        session=session,
    )
    return train_on(job, model, folder, device=device, resume=resume, session=session)


def finished_adapter(folder: Path, resume: bool, session: Session) -> AdapterCard | None:
    """Return the card of an adapter that `finetune` need not train; None if there is none yet.

    Raises:
        UsageError: there is one, and nobody asked to go on with it.
    """
    from asr_adapt.adapter import CARD_NAME, read_card

    if not (folder / CARD_NAME).exists():
        return None
    if not resume:
        raise UsageError(f"{folder}: holds an adapter already; use another --out")
    session.display.say(f"{folder}: finished already")
    return read_card(folder)


def train_on(
    job: TrainJob, model: str, folder: Path, *, device: str, resume: bool, session: Session
) -> AdapterCard:
    """Train what `training_job` made ready; the arguments are as in `finetune`."""
    from asr_adapt.base_weights.weights import resolve_weights
    from asr_adapt.model import load_base, pick_device
    from asr_adapt.training.watched import train_watched

    base = load_base(resolve_weights(model), pick_device(device))
    return train_watched(base, job, folder, resume, session.stop, session.display)


def training_job(
    data: PathText,
    *,
    settings: TrainSettings | None = None,
    dev: PathText | None = None,
    test: PathText | None = None,
    general: PathText | None = None,
    reading: ReadingRules | None = None,
    prompts: PromptSettings | None = None,
    normaliser: str = "spoken-en",
    seed: int = 1,
    report_to: str = "none",
    allow_leaks: bool = False,
    session: Session | None = None,
) -> TrainJob:
    """Read and check what `finetune` trains on; the arguments are as there."""
    from asr_adapt.own_data import read_checked, refuse_leaks, select_for_test, training_data
    from asr_adapt.splits import check_leaks
    from asr_adapt.training.train_job import TrainJob
    from asr_adapt.words.text import get_normaliser

    session, reading = session or Session(), reading or _reading()
    display = session.display
    get_normaliser(normaliser)
    checked = read_checked(Path(data), reading, display)
    dev_data = read_checked(Path(dev), reading, display) if dev else None
    chosen = training_data(checked, dev_data, seed, display.say)
    session.stop.check()
    held_out = [u for u in checked.utterances if u.tags.get("split") == "test"]
    if test:
        tests = read_checked(Path(test), reading, display)
        held_out += select_for_test(tests, "test", display.say)
    refuse_leaks(
        lambda: check_leaks([*chosen.train, *chosen.dev], held_out, phrase_groups=False),
        allow_leaks,
        display.say,
    )
    return TrainJob(
        train=chosen.train,
        dev=chosen.dev,
        settings=settings or TrainSettings(),
        prompts=prompts or PromptSettings(),
        normaliser=normaliser,
        seed=seed,
        general=read_checked(Path(general), reading, display).utterances if general else [],
        command=session.command,
        report_to=report_to,
    )


def transcribe(
    audio: PathText | Sequence[PathText],
    *,
    model: str,
    out: PathText,
    adapter: PathText | None = None,
    bias: Phrases | None = None,
    telling: BiasSettings | None = None,
    formats: Sequence[str] = ("srt",),
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

    session = session or Session()
    paths = [audio] if isinstance(audio, str | PathLike) else list(audio)
    job = TranscriptionJob(
        weights=resolve_weights(model),
        adapter=Path(adapter) if adapter else None,
        bias_list=_phrases(bias),
        bias=telling or BiasSettings(),
        prompts=prompts or PromptSettings(),
        decode=decode or DecodeSettings(),
        voice=VoiceSettings(threshold=speech_threshold),
        language=language,
        device=device,
        formats=tuple(formats),
    )
    show, stop = session.display.start, session.stop
    return write_down([Path(p) for p in paths], job, Path(out), stop=stop, progress_for=show)


def report(
    runs: PathText | Sequence[PathText],
    out: PathText,
    *,
    seed: int = 1,
    also: Sequence[str] = (),
    curve: PathText | None = None,
    session: Session | None = None,
) -> Report:
    """Score runs from their decoded text, without torch, and write one report on all of them.

    Args:
        runs: run directories, or one.
        out: folder for report.html, .md, .json and errors.txt; a run's own to score it again.
        seed: of the intervals.
        also: further formats of the results (`asr_adapt.reporting.exports`).
        curve: the ``curve.json`` of a learning curve; None for the one in a run, if any.
        session: how work is watched.

    Returns:
        The report: ``report.primary.scores.arms`` has each arm's ``wer``, a fraction.

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    from asr_adapt.reporting.build import build_report
    from asr_adapt.reporting.exports.write import write_exports

    session, folder = session or Session(), Path(out)
    paths = [runs] if isinstance(runs, str | PathLike) else list(runs)
    built = build_report(
        [Path(path) for path in paths],
        folder,
        seed=seed,
        progress=session.display.start("writing the report"),
        curve=Path(curve) if curve else None,
    )
    write_exports(built, folder, also)
    return built


def _reading() -> ReadingRules:
    from asr_adapt.importers.columns import ColumnNames
    from asr_adapt.own_data import ReadingRules

    return ReadingRules(ColumnNames())


def _phrases(given: Phrases | None) -> BiasList | None:
    from asr_adapt.context.bias import read_bias_list, unique

    if given is None:
        return None
    if isinstance(given, str | PathLike):
        return read_bias_list(Path(given))
    return BiasList("given", unique(given), "given by the program")


def _check_leaks(
    adapter: PathText, rows: Sequence[Utterance], allow: bool, session: Session
) -> str:
    from asr_adapt.adapter import read_card
    from asr_adapt.own_data import refuse_leaks
    from asr_adapt.splits import Fingerprint, check_against

    trained_on = Fingerprint.from_json(read_card(Path(adapter)).trained_on)
    return refuse_leaks(lambda: check_against(trained_on, rows), allow, session.display.say)
