"""A user's own data, made ready: read, every sound loaded once, split, without leaks.

Needs no torch. What cannot be used is listed with its reason; more of it than allowed is an error.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr_adapt.audio import (
    LongPolicy,
    apply_long_policy,
    estimate_snr_db,
    load_utterance,
    refuse_long,
)
from asr_adapt.base_weights.weight_cache import cache_root
from asr_adapt.errors import AudioError, DataError, LeakError, UsageError
from asr_adapt.files import names_hub_data, refuse_other
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.manifest import (
    ImportedData,
    load_data,
    load_hub_data,
    manifest_text,
    select_split,
    write_manifest,
)
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import PSEUDO_CONFIDENCE, Utterance
from asr_adapt.splits import (
    MOST_DEV,
    MOST_TEST,
    SHOWN_EXAMPLES,
    check_dev,
    fingerprint,
    shared_blocks,
    shared_with,
    split_by_speaker,
)
from asr_adapt.stopping import StopRequest

DEV_SHARE = 0.1
"""Of the speech, where nothing says what is dev: enough to choose a step by, little to give up."""
BY_COLUMN = "by the split column"
Notice = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """How a user's data is read.

    Attributes:
        columns: names of columns where guessing does not find them.
        language: ISO 639-1 code of rows that name none.
        allow_outside: whether audio may lie outside the folder of the file that names it.
        max_bad: at most so many rows may be left out; more stop the program.
        long: what is done about utterances over 30 s: ``error``, ``skip`` or ``split``.
        hub_split: the split that is read of a data set of the hub.
        unlabelled: whether rows may lack their text, as where labels are to be made.
    """

    columns: ColumnNames
    language: str = "en"
    allow_outside: bool = False
    max_bad: int = 0
    long: LongPolicy = "error"
    hub_split: str = "train"
    unlabelled: bool = False


@dataclass(frozen=True, slots=True)
class CheckedData:
    """Utterances whose sound was loaded once, and what was left out."""

    utterances: list[Utterance]
    excluded: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What to train on and to choose the step with."""

    train: list[Utterance]
    dev: list[Utterance]


def check_sounds(
    utterances: Sequence[Utterance], max_bad: int, progress: Progress | None = None
) -> tuple[list[Utterance], list[dict[str, str]]]:
    """Load every sound once, before hours of work depend on it.

    Returns:
        The usable utterances, tagged with ``snr_db`` where nothing says it yet, and the excluded
        ones with ``id`` and ``reason``.

    Raises:
        DataError: more than ``max_bad`` sounds cannot be used.
    """
    kept: list[Utterance] = []
    excluded: list[dict[str, str]] = []
    for number, u in enumerate(utterances, start=1):
        try:
            sound = load_utterance(u)
        except AudioError as error:
            excluded.append({"id": u.utterance_id, "reason": str(error)})
        else:
            snr = {"snr_db": f"{estimate_snr_db(sound):.0f}"}
            known = "cnr_db" in u.tags or "snr_db" in u.tags
            kept.append(u if known else replace(u, tags={**u.tags, **snr}))
        if progress:
            progress(number, len(utterances))
    if len(excluded) > max_bad:
        space = " " if len(excluded) == 1 else "\n"
        shown = space + "\n".join(row["reason"] for row in excluded[:10])
        raise DataError(
            f"{len(excluded)} of {len(utterances)} sounds cannot be used "
            f"(--max-bad {len(excluded)} leaves them out):{shown}"
        )
    return kept, excluded


def import_data(
    path: Path, rules: ReadingRules, display: ProgressDisplay, stop: StopRequest
) -> ImportedData:
    """Read a file or folder, or a data set of the hub where there is no such file.

    Raises:
        Stopped: a signal came.
    """
    progress = stop.between(display.start(f"reading {path.name}"))
    if not names_hub_data(path):
        return load_data(
            path,
            allow_outside=rules.allow_outside,
            columns=rules.columns,
            language=rules.language,
            unlabelled=rules.unlabelled,
            progress=progress,
        )
    audio_dir = cache_root() / "audio" / re.sub(r"[^\w.-]", "_", str(path))
    return load_hub_data(
        str(path),
        rules.hub_split,
        audio_dir,
        columns=rules.columns,
        language=rules.language,
        progress=progress,
    )


def read_checked(
    path: Path, rules: ReadingRules, display: ProgressDisplay, stop: StopRequest
) -> CheckedData:
    """Read data of any known format and load every sound once.

    Raises:
        DataError: more rows than ``rules.max_bad`` cannot be used, or none can.
        Stopped: a signal came.
    """
    imported = import_data(path, rules, display, stop)
    if not imported.utterances and not imported.skipped:
        raise DataError(f"{path}: read as {imported.format_name}, and there is no row in it")
    rows = imported.usable(rules.max_bad)
    # Long utterances that are to be split stay whole here: evaluation decodes them in pieces.
    kept, skipped = (rows, []) if rules.long == "split" else apply_long_policy(rows, rules.long)
    excluded = [{"id": str(row.where), "reason": row.reason} for row in imported.skipped]
    excluded += [{"id": u.utterance_id, "reason": "longer than 30 s, skipped"} for u in skipped]
    room = max(0, rules.max_bad - len(imported.skipped))
    sound, silent = check_sounds(kept, room, stop.between(display.start(f"checking {path.name}")))
    excluded += silent
    if not sound:
        raise DataError(f"{path}: {_all_left_out(excluded)}")
    mapped = ", ".join(f"{ours}={theirs}" for ours, theirs in imported.mapping.items())
    display.say(
        f"{path}: {imported.format_name}, {len(sound)} utterances ({mapped or 'no columns'})"
    )
    return CheckedData(sound, excluded)


def _all_left_out(excluded: Sequence[Mapping[str, str]]) -> str:
    """Say why nothing is left of data, by the first rows."""
    shown = [f"{row['id']}: {row['reason']}" for row in excluded[:SHOWN_EXAMPLES]]
    more = len(excluded) - len(shown)
    said = "; ".join([*shown, f"and {more} more"] if more else shown)
    return f"all {len(excluded)} rows were left out, so nothing is left; mend some: {said}"


def training_data(
    data: CheckedData, dev: CheckedData | None, seed: int, notice: Notice
) -> TrainingData:
    """Set dev speech apart: the dev data given, the split column, or a tenth by speaker.

    Rows that their data assigns to the test split are left out.

    Raises:
        AudioError: labelled speech is longer than Whisper hears at once.
        DataError: nothing is left to train on.
    """
    labelled = [u for u in data.utterances if u.reference is not None]
    if len(labelled) < len(data.utterances):
        notice(f"{len(data.utterances) - len(labelled)} utterances without text are not trained on")
    refuse_long([*labelled, *(dev.utterances if dev else [])])
    marked = select_split(labelled, "dev")
    rest = [u for u in labelled if u.tags.get("split") not in ("dev", "test")]
    if dev is not None:
        chosen, rule = TrainingData(rest, dev.utterances), "the data given"
    elif marked:
        chosen, rule = TrainingData(rest, marked), "the split column"
    else:
        split = split_by_speaker(rest, DEV_SHARE, seed)
        chosen, rule = TrainingData(list(split.train), list(split.dev)), split.rule
    if not chosen.train or not chosen.dev:
        raise DataError(
            f"{len(chosen.train)} utterances to train on and {len(chosen.dev)} for dev: "
            "need at least one of each; give more data, or dev data with --dev"
        )
    notice(f"dev: {len(chosen.dev)} of {len(rest) + len(marked)} utterances; {rule}")
    written = sum(PSEUDO_CONFIDENCE in u.tags for u in chosen.dev)
    if written:
        notice(
            f"{written} of {len(chosen.dev)} dev labels were written by a model: step and strength "
            "are chosen by what it believes; a few labels by hand, given with --dev, choose better"
        )
    return chosen


def select_for_dev(name: str, data: CheckedData, notice: Notice) -> CheckedData:
    """Return the rows of data given as dev: those marked dev, else those not marked otherwise.

    Args:
        name: the file or folder it was read from.
        data: what was read; rows without text choose no step and are left out.
        notice: told what was left out.

    Raises:
        DataError: no row is left.
    """
    others = [u for u in data.utterances if u.tags.get("split") not in ("train", "test")]
    rows = select_split(others, "dev") or others
    if not rows:
        raise DataError(
            f"{name}: every row is marked train or test; mark rows as dev for --dev, or none"
        )
    labelled = [u for u in rows if u.reference is not None]
    if not labelled:
        raise DataError(
            f"{name}: none of {len(rows)} utterances has a text, and --dev chooses the step by it; "
            "give their text too, or leave --dev out"
        )
    if len(labelled) < len(data.utterances):
        notice(
            f"{name}: {len(labelled)} of {len(data.utterances)} utterances are dev; others have no "
            "text or are marked otherwise"
        )
    return CheckedData(labelled, data.excluded)


def check_given_dev(chosen: TrainingData, notice: Notice) -> None:
    """Refuse dev speech that is trained on; say which speakers or recordings are in both.

    Raises:
        LeakError: sounds are in both.
    """
    check_dev(chosen.train, chosen.dev)
    if both := shared_blocks(chosen.train, chosen.dev):
        shown = ", ".join(f"'{name}'" for name in both[:SHOWN_EXAMPLES])
        more = f" and {len(both) - SHOWN_EXAMPLES} more" if len(both) > SHOWN_EXAMPLES else ""
        notice(
            f"in --dev and trained on too: {shown}{more}; dev WER will look better than for new "
            "speakers"
        )


def select_for_test(
    data: CheckedData, split: str | None, notice: Notice, usual: str = "test"
) -> list[Utterance]:
    """Return the rows of one split.

    Args:
        data: what was read.
        split: the split asked for; ``all`` for all rows; None for the usual one, or for all rows
            where the data has no splits.
        notice: is told how many rows were taken.
        usual: the split where none is asked for.

    Raises:
        DataError: no row has the split.
    """
    has_splits = any("split" in u.tags for u in data.utterances)
    if split == "all" or (split is None and not has_splits):
        return data.utterances
    if not has_splits:
        raise DataError(f"--split {split}: the data has no splits; leave --split out for all rows")
    split = split or usual
    rows = select_split(data.utterances, split)
    if not rows:
        raise DataError(f"no row has split '{split}'; choose another with --split, or all")
    notice(f"split {split}: {len(rows)} of {len(data.utterances)} utterances")
    return rows


def refuse_unlabelled(name: str, utterances: Sequence[Utterance]) -> None:
    """Refuse a test set in which nobody has written down a word, before hours of decoding it.

    Args:
        name: the file or folder it was read from.
        utterances: those of the set; "" as a reference, for no speech at all, is a text.

    Raises:
        DataError: none has a reference.
    """
    if not any(u.reference is not None for u in utterances):
        raise DataError(
            f"{name}: none of {len(utterances)} utterances has a text, so nothing can be scored; "
            "give their text too, or have them written down by asr-adapt transcribe"
        )


def refuse_leaks(
    check: Callable[[], None],
    allow: bool,
    notice: Notice,
    none_found: str = "no test speaker, recording or sound is in the training or dev data",
) -> str:
    """Run a leak check; where leaks are allowed, say what it found and go on.

    Returns:
        What was found, in words; ``none_found`` if nothing was.

    Raises:
        LeakError: test material was trained on, and ``allow`` is not set.
    """
    try:
        check()
    except LeakError as error:
        if not allow:
            raise
        notice(f"leak allowed: {error}")
        return f"LEAK: {error}"
    return none_found


def check_shares(dev_share: float, test_share: float) -> None:
    """Refuse shares that leave a part without speech, before any of it is read.

    Raises:
        UsageError: one is no fraction between 0 and 1, or both together leave none for train.
    """
    for option, share in (("--dev-share", dev_share), ("--test-share", test_share)):
        if not 0 < share < 1:  # no number, nan, compares as false
            raise UsageError(f"{option} {share:g}: need more than 0 and less than 1")
    if dev_share + test_share >= 1:
        raise UsageError(
            f"--dev-share {dev_share:g} and --test-share {test_share:g}: together they leave none "
            "for training; need less than 1"
        )


def set_apart(
    rows: Sequence[Utterance], name: str, share: float, seed: int
) -> tuple[list[Utterance], list[Utterance], str]:
    """Return a part, the rest, and how they were separated in words."""
    marked = select_split(rows, name)
    if marked:
        chosen = {u.utterance_id for u in marked}
        return marked, [u for u in rows if u.utterance_id not in chosen], BY_COLUMN
    most = MOST_TEST if name == "test" else MOST_DEV
    split = split_by_speaker(rows, share, seed, most)
    return list(split.dev), list(split.train), split.rule


def check_apart(rest: Sequence[Utterance], test: Sequence[Utterance]) -> None:
    """Refuse test speech that is not apart from the speech it is set apart from.

    Raises:
        LeakError: they share a speaker, a recording or a sound.
    """
    if shared := shared_with(fingerprint(rest), test):
        raise LeakError(
            f"{'; '.join(shared)}; test speech needs speakers or recordings of its own: mark rows "
            "as test in a column 'split', or give speech of more speakers"
        )


def prepare_manifests(
    data: CheckedData, out_dir: Path, dev_share: float, test_share: float, seed: int, notice: Notice
) -> dict[str, int]:
    """Write train, dev and test manifests: by the split column, by speaker, or by recording.

    Returns:
        Utterances written, by file name.

    Raises:
        DataError: a part would be empty.
        LeakError: there are too few speakers and recordings to keep test apart.
        UsageError: one of the files is there, with other rows.
    """
    test, rest, test_rule = set_apart(data.utterances, "test", test_share, seed)
    dev, train, dev_rule = set_apart(rest, "dev", dev_share / (1 - test_share), seed)
    notice(f"test: {test_rule}")
    notice(f"dev: {dev_rule}")
    if not train:
        raise DataError("every row is marked dev or test, none is left for train; give more data")
    if test_rule != BY_COLUMN:
        check_apart([*train, *dev], test)
    else:
        for shared in shared_with(fingerprint([*train, *dev]), test):
            notice(f"by the split column, {shared}; finetune and eval refuse that")
    parts = {"train": train, "dev": dev, "test": test}
    if any("split" in u.tags for u in data.utterances):
        parts = {name: _marked(rows, name) for name, rows in parts.items()}
    paths = {out_dir / f"{name}.jsonl": rows for name, rows in parts.items()}
    for path, rows in paths.items():
        refuse_other(path, manifest_text(path, rows))
    out_dir.mkdir(parents=True, exist_ok=True)
    for path, rows in paths.items():
        write_manifest(path, rows)
    if outside := _outside_advice(data.utterances, out_dir):
        notice(outside)
    return {path.name: len(rows) for path, rows in paths.items()}


def _outside_advice(rows: Sequence[Utterance], out_dir: Path) -> str | None:
    """Say how manifests are read whose audio lies outside of their folder; None if it does not."""
    root = out_dir.resolve()
    folders = [u.audio_path.resolve().parent for u in rows]
    if all(folder.is_relative_to(root) for folder in folders):
        return None
    shared = Path(os.path.commonpath(folders))
    here = Path.cwd()
    shown = shared.relative_to(here) if shared.is_relative_to(here) else shared
    other = f"; --out {shlex.quote(str(shown))} needs no option" if shared.parent != shared else ""
    return (
        f"{out_dir}: the audio lies outside of it, so every command that reads these manifests "
        f"needs --allow-outside{other}"
    )


def _marked(rows: Sequence[Utterance], name: str) -> list[Utterance]:
    """Mark rows as the part they are in: others read the mark, and would leave out the rest."""
    return [replace(u, tags={**u.tags, "split": name}) for u in rows]
