"""Log a report as one run of Weights & Biases: tables, players in the table, a summary of figures.

Where runs go is what ``wandb`` itself is told (``wandb login``, ``WANDB_MODE=offline``,
``WANDB_PROJECT``); its files stand in ``OUT/wandb``. Code and its history are not sent.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.reporting.trackers.logged import Logged, Table

PROJECT = "asr-adapt"
"""Unless ``WANDB_PROJECT`` names another."""


def write(logged: Logged, out_dir: Path) -> str:
    """Log everything; returns where it is.

    Raises:
        EnvironmentProblem: nobody is logged in, or the server cannot be reached.
    """
    import wandb

    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=out_dir.resolve().name,
            notes=logged.title,
            job_type="report",
            dir=str(out_dir),
            config=dict(logged.facts),
            settings=wandb.Settings(
                console="off",
                silent=True,
                save_code=False,
                disable_git=True,
            ),
        )
        with run, tempfile.TemporaryDirectory() as folder:
            run.log(_content(logged, Path(folder)))
            run.summary.update(dict(logged.figures))
    except wandb.Error as error:
        raise EnvironmentProblem(
            f"--log-to wandb: {' '.join(str(error).split())}; log in with 'wandb login' or set "
            "WANDB_MODE=offline (the report itself is written)"
        ) from error
    return f"wandb sync {Path(run.dir).parent}" if run.offline else str(run.url)


def _content(logged: Logged, folder: Path) -> dict[str, Any]:
    """Make wandb's tables; sounds are copied from ``folder`` into the run."""
    import wandb

    players = {}
    for sound in logged.sounds:
        path = folder / sound.name
        path.write_bytes(sound.wav)
        players[sound.name] = wandb.Audio(str(path), caption=sound.label)
    return {table.name: _table(table, players) for table in logged.tables}


def _table(table: Table, players: Mapping[str, Any]) -> Any:
    import wandb

    place = table.columns.index("sound") if "sound" in table.columns else None
    rows = [
        [players.get(str(cell)) if i == place else cell for i, cell in enumerate(row)]
        for row in table.rows
    ]
    return wandb.Table(columns=list(table.columns), data=rows)
