"""Score runs and write the report: ``report.json``, ``.md``, ``.html``, ``errors.txt``, clips.

Reads run directories (`runs`), scores every set from its raw hypotheses, and writes all files into
one folder. Refuses runs that contradict each other or ask for different normalisers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path

from asr_adapt.curve.record import read_curve
from asr_adapt.errors import DataError, UsageError
from asr_adapt.reporting.as_json import report_to_json
from asr_adapt.reporting.clips import MOST_EMBEDDED_BYTES, ClipFolder, ClipsInPage, ClipStore
from asr_adapt.reporting.curve import find_curve
from asr_adapt.reporting.examples import (
    FURTHER_SHARE,
    PRIMARY_SHARE,
    Example,
    Share,
    build_examples,
    choose,
)
from asr_adapt.reporting.html import render_html
from asr_adapt.reporting.joining import merge_sets
from asr_adapt.reporting.listing import render_errors
from asr_adapt.reporting.markdown import render_markdown
from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.reporting.runs import Run, RunSet, read_run
from asr_adapt.reporting.slices import (
    break_down_noise,
    break_down_tags,
    compared_counts,
    measure_noise,
)
from asr_adapt.scoring.score import RunScores, score_run

MOST_EXAMPLES = 600
"""Utterances shown in all sets together, about 5 kB of page and 0.2 MB of sound each: more than
that is slow to open on a phone. All of them stand in ``errors.txt``."""

FIRST_SET_SHARE = 0.75
"""Of the room for sounds in the page itself, where further sets need some too."""


def build_report(
    run_dirs: Sequence[Path],
    out_dir: Path,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    curve: Path | None = None,
    embed_audio: bool = False,
) -> Report:
    """Score runs and write their report.

    Args:
        run_dirs: run directories; sets of the same name are joined, the first set is the one that
            answers the question.
        out_dir: where to write; made if it is not there.
        seed: of the resampling behind the intervals.
        progress: called with (sets done, sets in all).
        curve: the ``curve.json`` of a learning curve; else the one that lies in a run, if any.
        embed_audio: put sounds and pictures into the page, up to `clips.MOST_EMBEDDED_BYTES`,
            rather than into a folder beside it.

    Returns:
        What was written, typed.

    Raises:
        UsageError: if no run is given.
        DataError: if a run is broken, runs contradict each other, or nothing has a transcript.
    """
    if not run_dirs:
        raise UsageError("no run directory given: name at least one")
    runs = tuple(read_run(Path(run_dir)) for run_dir in run_dirs)
    normaliser = _common_normaliser(runs)
    entries, unscored = _by_labels(merge_sets(runs))
    found = read_curve(curve) if curve else find_curve(run_dirs)
    out_dir.mkdir(parents=True, exist_ok=True)
    parts: list[SetReport] = []
    stores = _clip_stores(out_dir, len(entries), embed_audio)
    for entry in entries:
        room = MOST_EXAMPLES - sum(len(part.examples) for part in parts)
        share = FURTHER_SHARE if parts else PRIMARY_SHARE
        parts.append(_set_report(entry, normaliser, seed, share, room, next(stores)))
        if progress:
            progress(len(parts), len(entries))
    report = Report(runs, tuple(parts), seed, found, embed_audio, unscored)
    write_report(report, out_dir)
    return report


def write_report(report: Report, out_dir: Path) -> None:
    """Write all files of a report; each is replaced whole or not at all."""
    content = json.dumps(report_to_json(report), indent=1, ensure_ascii=False, allow_nan=False)
    _replace(out_dir / "report.json", content + "\n")
    _replace(out_dir / "report.md", render_markdown(report))
    _replace(out_dir / "errors.txt", render_errors(report))
    _replace(out_dir / "report.html", render_html(report))


def _clip_stores(out_dir: Path, sets: int, embed: bool) -> Iterator[ClipStore]:
    """Yield where the clips of each set go; room in the page that a set leaves goes to the next."""
    if not embed:
        yield from repeat(ClipFolder(out_dir), sets)
        return
    left = MOST_EMBEDDED_BYTES
    for place in range(sets):
        after = sets - place - 1
        share = FIRST_SET_SHARE if after and not place else 1 / (after + 1)
        room = int(share * left)
        store = ClipsInPage(room)
        yield store
        left -= room - store.room_bytes


def _common_normaliser(runs: Sequence[Run]) -> str:
    names = sorted({run.normaliser for run in runs})
    if len(names) > 1:
        raise DataError(
            f"the runs ask for different normalisers ({', '.join(names)}), so their error rates "
            "cannot be compared: report on them separately"
        )
    return names[0]


def _by_labels(entries: Sequence[RunSet]) -> tuple[tuple[RunSet, ...], tuple[RunSet, ...]]:
    """Part sets that can be scored from those without a reference, which must not cost the report.

    Raises:
        DataError: no set can be scored.
    """
    scored: list[RunSet] = []
    unscored: list[RunSet] = []
    for entry in entries:
        labelled = any(each.reference is not None for each in entry.utterances)
        (scored if labelled else unscored).append(entry)
    if not scored:
        names = ", ".join(f"'{entry.name}'" for entry in entries)
        raise DataError(
            f"nothing to score: no utterance of set {names} has a reference; "
            "write them into the manifests of the run and score again"
        )
    return tuple(scored), tuple(unscored)


def _set_report(
    entry: RunSet, normaliser: str, seed: int, share: Share, room: int, clips: ClipStore
) -> SetReport:
    try:
        scores = score_run(
            entry.utterances, entry.hypotheses, normaliser, seed, phrases=entry.phrases
        )
    except DataError as error:
        raise DataError(f"set '{entry.name}': {error}") from error
    counts = compared_counts(scores)
    tags = break_down_tags(entry.utterances, counts)
    noise = measure_noise(entry.utterances)
    plain = SetReport(entry, scores, tags, break_down_noise(noise, counts), (), noise)
    return replace(plain, examples=_examples(plain, share, room, clips))


def _examples(part: SetReport, share: Share, room: int, clips: ClipStore) -> tuple[Example, ...]:
    scores: RunScores = part.scores
    if not scores.arms:
        return ()
    first = scores.arms[0].arm
    best = part.best.arm if part.best else first
    chosen = choose(scores, first, best, share)
    kept = dict(list(chosen.items())[:room])
    entry = part.entry
    return build_examples(entry.utterances, entry.hypotheses, scores, kept, clips)


def _replace(path: Path, content: str) -> None:
    # Lone surrogates can stand in hypotheses read from JSON; they must not lose the report.
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content.encode("utf-8", errors="replace"))
    temporary.replace(path)
