"""Train: `finetune`, and the steps it is made of for those who stand between them.

Reads data, writes the folder of an adapter. Refuses test speech in the data, and a folder that
holds an adapter already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr_adapt.api.session import PathText, Session, default_reading
from asr_adapt.errors import UsageError
from asr_adapt.files import check_out_folder
from asr_adapt.settings import PromptSettings, TrainSettings, check_seed

if TYPE_CHECKING:
    from asr_adapt.adapter import AdapterCard
    from asr_adapt.own_data import ReadingRules
    from asr_adapt.records import Utterance
    from asr_adapt.training.train_job import TrainJob


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
    normaliser: str = "auto",
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
        general: general speech, mixed in so that it is not forgotten; needs no text. Some of its
            speakers are set apart to measure with.
        reading: names of columns, language, and what is allowed in the data.
        prompts: how phrases become a prompt.
        normaliser: under which dev WER is counted (`asr_adapt.words.text.normaliser_for`).
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of everything drawn.
        report_to: where the Trainer logs as well.
        allow_leaks: go on if test speech or speech of `dev` is in the data.
        resume: go on with a run that was stopped; a finished one is only read.
        session: how work is watched.

    Returns:
        The adapter's card: chosen step, dev WER (fractions), minutes of labels, seconds, checksums.

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    session, folder = session or Session(), Path(out)
    check_out_folder(folder)
    refuse_finished(folder, resume)
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


def refuse_finished(folder: Path, resume: bool) -> None:
    """Refuse a folder with an adapter before data are read, unless it is to be gone on with.

    Raises:
        UsageError: there is one, and nobody asked to go on with it.
    """
    from asr_adapt.adapter import CARD_NAME

    if (folder / CARD_NAME).exists() and not resume:
        raise UsageError(f"{folder}: holds an adapter already; use another --out")


def train_on(
    job: TrainJob, model: str, folder: Path, *, device: str, resume: bool, session: Session
) -> AdapterCard:
    """Train what `training_job` made ready, unless it is done; arguments are as in `finetune`."""
    from asr_adapt.base_weights.weights import resolve_weights
    from asr_adapt.model import load_base, pick_device
    from asr_adapt.training.train_job import finished_adapter
    from asr_adapt.training.watched import train_watched

    weights = resolve_weights(model)
    if done := finished_adapter(folder, job, weights.sha256):
        session.display.say(f"{folder}: finished already")
        return done
    base = load_base(weights, pick_device(device))
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
    normaliser: str = "auto",
    seed: int = 1,
    report_to: str = "none",
    allow_leaks: bool = False,
    session: Session | None = None,
) -> TrainJob:
    """Read and check what `finetune` trains on; the arguments are as there."""
    from asr_adapt.audio import apply_long_policy
    from asr_adapt.own_data import (
        check_given_dev,
        read_checked,
        refuse_leaks,
        select_for_dev,
        select_for_test,
        training_data,
    )
    from asr_adapt.splits import check_leaks
    from asr_adapt.training.train_job import TrainJob
    from asr_adapt.words.text import check_normaliser, normaliser_for

    session, reading = session or Session(), reading or default_reading()
    display = session.display
    check_seed(seed)
    check_normaliser(normaliser)
    checked = read_checked(Path(data), reading, display, session.stop)
    dev_data = None
    if dev:
        read = read_checked(Path(dev), reading, display, session.stop)
        dev_data = select_for_dev(str(dev), read, display.say)
    chosen = training_data(checked, dev_data, seed, display.say)
    if dev:
        refuse_leaks(lambda: check_given_dev(chosen, display.say), allow_leaks, display.say)
    session.stop.check()
    held_out = [u for u in checked.utterances if u.tags.get("split") == "test"]
    if test:
        tests = read_checked(Path(test), reading, display, session.stop)
        held_out += select_for_test(tests, None, display.say)
    unlabelled = (
        read_checked(Path(general), reading, display, session.stop).utterances if general else []
    )
    if reading.long == "split":  # the model writes the text of each piece itself
        unlabelled, _ = apply_long_policy(unlabelled, "split")
    heard = [*chosen.train, *chosen.dev, *unlabelled]
    refuse_leaks(
        lambda: check_leaks(heard, held_out, phrase_groups=False),
        allow_leaks,
        display.say,
    )
    settings = settings or TrainSettings()
    _say_channel(settings.augment.channel, chosen.train, display.say)
    return TrainJob(
        train=chosen.train,
        dev=chosen.dev,
        settings=settings,
        prompts=prompts or PromptSettings(),
        normaliser=normaliser_for(normaliser, {u.language for u in chosen.train}).name,
        seed=seed,
        general=unlabelled,
        command=session.command,
        report_to=report_to,
    )


def _say_channel(channel: str, train: Sequence[Utterance], notice: Callable[[str], None]) -> None:
    """Say how many utterances go through a channel that was asked for; it may be none of them."""
    if channel == "none":
        return
    clean = sum(u.tags.get("channel") == "clean" for u in train)
    if clean:
        notice(f"channel {channel}: {clean} of {len(train)} training utterances go through it")
    else:
        notice(
            f"channel {channel}: none of {len(train)} training utterances goes through it, as none "
            "is tagged channel=clean; give sound without a radio a column channel that says clean"
        )
