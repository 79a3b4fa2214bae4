"""Make a report with all that was asked for beside it: further formats, trackers.

What `asr_adapt.report`, `asr_adapt.evaluate` and recipes end with. Writes one folder. Refuses what
cannot be written before any work is done, and says how large a page is that holds its own sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.progress import ProgressDisplay
from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.exports.write import check_formats, write_exports
from asr_adapt.reporting.results import Report
from asr_adapt.reporting.trackers.log import check_trackers, log_report
from asr_adapt.reporting.words import not_scored


@dataclass(frozen=True, slots=True)
class ReportWishes:
    """What a report is to be beside the usual.

    Attributes:
        also: further formats (`exports.write.FORMATS`).
        embed_audio: whether the page holds its sounds and pictures itself.
        log_to: trackers (`trackers.log.WRITERS`).
    """

    also: Sequence[str] = ()
    embed_audio: bool = False
    log_to: Sequence[str] = ()

    def check(self) -> None:
        """Refuse what cannot be written.

        Raises:
            UsageError: a format or tracker is unknown.
            EnvironmentProblem: the package of a tracker is not installed.
        """
        check_formats(self.also)
        check_trackers(self.log_to)


def make_report(
    run_dirs: Sequence[Path],
    out_dir: Path,
    wishes: ReportWishes,
    display: ProgressDisplay,
    *,
    seed: int,
    curve: Path | None = None,
) -> Report:
    """Score runs, write their report and what was asked for beside it.

    Args:
        run_dirs: run directories.
        out_dir: where to write.
        wishes: what is asked for.
        display: shows progress.
        seed: of the intervals.
        curve: the ``curve.json`` of a learning curve; else the one that lies in a run, if any.
    """
    wishes.check()
    report = build_report(
        run_dirs,
        out_dir,
        seed=seed,
        progress=display.start("writing the report"),
        curve=curve,
        embed_audio=wishes.embed_audio,
    )
    for entry in report.unscored:
        display.say(f"set '{entry.name}', {not_scored(entry)}")
    if wishes.embed_audio:
        display.say(size_note(report, out_dir))
    write_exports(report, out_dir, wishes.also)
    log_report(report, out_dir, wishes.log_to, display.say)
    return report


def size_note(report: Report, out_dir: Path) -> str:
    """Say how large a page with sounds is, and how many utterances it holds the sound of."""
    size = (out_dir / "report.html").stat().st_size
    clips = [each.clip is not None for part in report.sets for each in part.examples]
    rest = "" if all(clips) else "; no more can be read or fits into a mail"
    return (
        f"report.html: one file of {size / 1e6:.1f} MB, with the sound of {sum(clips)} of "
        f"{len(clips)} shown utterances{rest}"
    )
