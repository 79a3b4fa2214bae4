"""Write a report in the formats that were asked for, into ``exports`` beside the report.

Each set has a folder of its own. ``INDEX.txt`` says what every file is and which utterances are
not in it. Refuses names of formats that do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from asr_adapt.errors import UsageError
from asr_adapt.reporting.exports.nist import write_ctm, write_stm
from asr_adapt.reporting.exports.rows import safe_names, silent_ids
from asr_adapt.reporting.exports.sde import write_sde
from asr_adapt.reporting.exports.seglst import write_seglst
from asr_adapt.reporting.exports.table import write_table
from asr_adapt.reporting.results import Report, SetReport

FORMATS: dict[str, Callable[[SetReport], dict[str, str]]] = {
    "sde": write_sde,
    "stm": write_stm,
    "ctm": write_ctm,
    "seglst": write_seglst,
    "csv": write_table,
}
"""Names as in ``--also``, and what returns the files of a set by their names."""

ABOUT = {
    "sde": "NeMo manifest for the Speech Data Explorer; pred_text is the best arm",
    "stm": "segments for sclite: ref is what was said, the others what each arm heard",
    "ctm": "words for sclite, their times spread evenly over each utterance",
    "seglst": "segments for meeteval: ref is what was said, the others what each arm heard",
    "csv": "one row for each utterance and arm, failed ones included",
}


def check_formats(names: Sequence[str]) -> None:
    """Raise UsageError if a format does not exist."""
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"--also: '{name}' is unknown (known: {', '.join(FORMATS)})")


def write_exports(report: Report, out_dir: Path, names: Sequence[str]) -> Path | None:
    """Write a report in further formats.

    Args:
        report: what `build_report` returned.
        out_dir: folder of the report.
        names: keys of `FORMATS`; a name may stand there twice.

    Returns:
        The folder ``exports``; None if no format is asked for.

    Raises:
        UsageError: a format does not exist.
    """
    check_formats(names)
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return None
    folder = out_dir / "exports"
    lines: list[str] = []
    folders = safe_names(part.entry.name for part in report.sets)
    for part in report.sets:
        lines += _write_set(part, folder / folders[part.entry.name], wanted)
    (folder / "INDEX.txt").write_bytes("\n".join([*lines, ""]).encode("utf-8", "replace"))
    return folder


def _write_set(part: SetReport, folder: Path, wanted: Sequence[str]) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    yield f"{folder.name}/: {' '.join(part.entry.title.split())}"
    for name in wanted:
        for file, text in FORMATS[name](part).items():
            # Lone surrogates can stand in text read from JSON; they must not lose the file.
            (folder / file).write_bytes(text.encode("utf-8", errors="replace"))
            yield f"  {file}: {ABOUT[name]}"
    yield f"  text is normalised by {part.scores.normaliser} {part.scores.normaliser_version}"
    for reason, ids in (
        ("not compared, since an arm has no text", part.scores.left_out),
        ("without a reference", part.scores.unlabelled),
        ("since nobody speaks, from all but scores.csv", silent_ids(part)),
    ):
        if ids:
            yield f"  left out, {reason}: {', '.join(' '.join(each.split()) for each in ids)}"
