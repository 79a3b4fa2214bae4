"""Decode and score: `evaluate` writes a run and its report, `report` one on runs that are there.

Reads data or run directories, writes one folder. Test speech that the adapter was trained on is
refused. `report` needs no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from asr_adapt.api.session import (
    Names,
    PathText,
    Phrases,
    Session,
    default_reading,
    names_of,
    read_phrases,
    say_languages,
)
from asr_adapt.errors import UsageError
from asr_adapt.files import check_out_folder
from asr_adapt.records import ARMS
from asr_adapt.settings import BiasSettings, DecodeSettings, PromptSettings, check_seed

if TYPE_CHECKING:
    from asr_adapt.evaluation_job import TestSet
    from asr_adapt.own_data import ReadingRules
    from asr_adapt.reporting.results import Report


def evaluate(
    data: PathText,
    *,
    model: str,
    out: PathText,
    adapter: PathText | None = None,
    strength: float | None = None,
    bias: Phrases | None = None,
    telling: BiasSettings | None = None,
    tuned_on: Collection[str] = (),
    examples: PathText | None = None,
    general: PathText | None = None,
    split: str | None = None,
    arms: Names = ARMS,
    reading: ReadingRules | None = None,
    prompts: PromptSettings | None = None,
    decode: DecodeSettings | None = None,
    normaliser: str = "auto",
    device: str = "auto",
    seed: int = 1,
    also: Names = (),
    embed_audio: bool = False,
    log_to: Names = (),
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
        tuned_on: marks of the speech that chose ``telling``
            (`asr_adapt.context.bias_file.BiasFile.tuned_on`); to score on it is a leak.
        examples: training transcripts, one a line, for prompts of strategy ``few-shot``.
        general: general speech with its text, to see what the adapter forgot. Where training
            replayed it, or other speech of its speakers, that is said and reported.
        split: rows to use; ``all`` for all, None for its test rows or, without splits, all.
        arms: arms to decode, of those that apply.
        reading: names of columns, language, and what is allowed in the data.
        prompts: how phrases become a prompt where no adapter says so.
        decode: batch size (utterances) and beams.
        normaliser: what texts are brought to before they are compared
            (`asr_adapt.words.text.normaliser_for`).
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of the intervals.
        also: further formats of the results (`asr_adapt.reporting.exports`).
        embed_audio: put sounds and pictures into report.html, one file of up to 18 MB.
        log_to: of ``tensorboard``, ``wandb`` and ``mlflow``, where to log the results as well.
        allow_leaks: go on if test speech was trained on or tuned on; the report says so.
        resume: go on with a run that was stopped.
        session: how work is watched.

    Returns:
        The report: ``report.primary.scores.arms`` has each arm's ``wer``, a fraction.

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    from asr_adapt.base_weights.weights import resolve_weights
    from asr_adapt.evaluation import evaluate as decode_run
    from asr_adapt.evaluation_job import EvaluationJob, TestSet
    from asr_adapt.own_data import read_checked, refuse_unlabelled, select_for_test
    from asr_adapt.reporting.make import ReportWishes
    from asr_adapt.words.text import check_normaliser, normaliser_for

    session, reading = session or Session(), reading or default_reading()
    display = session.display
    path, run_dir = Path(data), Path(out)
    check_out_folder(run_dir)
    check_seed(seed)
    if strength is not None and adapter is None:
        raise UsageError("--strength: needs --adapter, a part of whose change it applies")
    ReportWishes(names_of(also), embed_audio, names_of(log_to)).check()
    check_normaliser(normaliser)
    checked = read_checked(path, reading, display, session.stop)
    rows = select_for_test(checked, split, display.say)
    refuse_unlabelled(str(path), rows)
    languages = {u.language for u in rows}
    say_languages(adapter, languages, session)
    sets = [TestSet("test", "domain", path.name, rows)]
    if general:
        speech = read_checked(Path(general), reading, display, session.stop).utterances
        refuse_unlabelled(str(general), speech)
        sets.append(TestSet("general", "general", Path(general).name, speech))
    session.stop.check()
    job = EvaluationJob(
        sets=sets,
        weights=resolve_weights(model),
        adapter=Path(adapter) if adapter else None,
        strength=strength,
        bias_list=read_phrases(bias),
        prompts=prompts or PromptSettings(),
        decode=decode or DecodeSettings(),
        normaliser=normaliser_for(normaliser, languages).name,
        device=device,
        seed=seed,
        arms=names_of(arms),
        bias=telling or BiasSettings(),
        examples=read_phrases(examples),
        command=session.command,
        leak_check=_check_leaks(adapter, tuned_on, sets, allow_leaks, session),
        excluded=checked.excluded,
    )
    decode_run(job, run_dir, resume=resume, stop=session.stop, progress_for=display.start)
    return report(
        [run_dir],
        run_dir,
        seed=seed,
        also=also,
        embed_audio=embed_audio,
        log_to=log_to,
        session=session,
    )


def report(
    runs: PathText | Sequence[PathText],
    out: PathText,
    *,
    seed: int = 1,
    also: Names = (),
    embed_audio: bool = False,
    log_to: Names = (),
    curve: PathText | None = None,
    session: Session | None = None,
) -> Report:
    """Score runs from their decoded text, without torch, and write one report on all of them.

    Args:
        runs: run directories, or one.
        out: folder for report.html, .md, .json and errors.txt; a run's own to score it again.
        seed: of the intervals.
        also: further formats of the results (`asr_adapt.reporting.exports`).
        embed_audio: put sounds and pictures into report.html, one file of up to 18 MB.
        log_to: of ``tensorboard``, ``wandb`` and ``mlflow``, where to log the results as well.
        curve: the ``curve.json`` of a learning curve; None for the one in a run, if any.
        session: how work is watched.

    Returns:
        The report: ``report.primary.scores.arms`` has each arm's ``wer``, a fraction.

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    from asr_adapt.reporting.make import ReportWishes, make_report

    check_out_folder(Path(out))
    check_seed(seed)
    session = session or Session()
    paths = [runs] if isinstance(runs, str | PathLike) else list(runs)
    return make_report(
        [Path(path) for path in paths],
        Path(out),
        ReportWishes(names_of(also), embed_audio, names_of(log_to)),
        session.display,
        seed=seed,
        curve=Path(curve) if curve else None,
    )


def _check_leaks(
    adapter: PathText | None,
    tuned_on: Collection[str],
    sets: Sequence[TestSet],
    allow: bool,
    session: Session,
) -> str:
    """Compare the test sets with what was trained and tuned on; return what was found, in words."""
    from asr_adapt.own_data import refuse_leaks
    from asr_adapt.splits import check_not_tuned_on

    domain, *others = sets
    trained = _check_training(adapter, domain, others, allow, session) if adapter else ""
    if not tuned_on:
        return trained
    tuned = refuse_leaks(
        lambda: check_not_tuned_on(tuned_on, domain.utterances),
        allow,
        session.display.say,
        "no test sound is in the speech that chose the bias settings",
    )
    return "; ".join(filter(None, [trained, tuned]))


def _check_training(
    adapter: PathText,
    domain: TestSet,
    others: Sequence[TestSet],
    allow: bool,
    session: Session,
) -> str:
    from asr_adapt.adapter import read_card
    from asr_adapt.own_data import refuse_leaks
    from asr_adapt.splits import Fingerprint, check_against, shared_with

    trained_on = Fingerprint.from_json(read_card(Path(adapter)).trained_on)
    said = refuse_leaks(
        lambda: check_against(trained_on, domain.utterances), allow, session.display.say
    )
    # Of general speech it is only said: what the adapter does in its domain does not hang on it.
    heard = [
        f"LEAK: {test.name} set {test.title}: {shared}; it shows what is kept of what was rehearsed"
        for test in others
        for shared in shared_with(trained_on, test.utterances)
    ]
    for line in heard:
        session.display.say(line)
    return "; ".join([*heard, said])
