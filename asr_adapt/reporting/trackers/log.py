"""Log a report to the trackers that were asked for, and refuse those that are not there.

`check_trackers` is for the start of long work, `log_report` for its end, when the report is written
and nothing of it can be lost any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from asr_adapt.environment import check_tracker
from asr_adapt.errors import UsageError
from asr_adapt.reporting.results import Report
from asr_adapt.reporting.trackers import to_mlflow, to_tensorboard, to_wandb
from asr_adapt.reporting.trackers.logged import Logged, collect

WRITERS: dict[str, Callable[[Logged, Path], str]] = {
    "tensorboard": to_tensorboard.write,
    "wandb": to_wandb.write,
    "mlflow": to_mlflow.write,
}
"""How the trackers of `TRACKER_EXTRAS` are written to."""


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that cannot be written to.

    Raises:
        UsageError: a tracker is unknown.
        EnvironmentProblem: its package is not installed.
    """
    for name in names:
        if name not in WRITERS:
            raise UsageError(f"--log-to: '{name}' is unknown (known: {', '.join(WRITERS)})")
        check_tracker(name, "--log-to")


def log_report(
    report: Report, out_dir: Path, names: Sequence[str], say: Callable[[str], None]
) -> None:
    """Log a report.

    Args:
        report: what `build_report` returned.
        out_dir: folder of the report.
        names: keys of `WRITERS`; a name may stand there twice.
        say: told where each tracker has it.

    Raises:
        UsageError: a tracker is unknown.
        EnvironmentProblem: a tracker is not installed or cannot be reached.
    """
    check_trackers(names)
    if not names:
        return
    logged = collect(report, out_dir)
    shown = len(logged.utterances.rows)
    for name in dict.fromkeys(names):
        where = WRITERS[name](logged, out_dir)
        say(f"{name}: {shown} utterances, {len(logged.sounds)} with sound: {where}")
