"""Log a report as one run of MLflow: metrics, tables and sounds as artifacts.

Where runs go is what ``mlflow`` itself is told (``MLFLOW_TRACKING_URI``,
``MLFLOW_EXPERIMENT_NAME``). Tables are ``tables/<name>.json``, which its pages show side by side
for several runs; sounds are ``sounds/u<place on the page>.wav``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.reporting.trackers.logged import Logged


def write(logged: Logged, out_dir: Path) -> str:
    """Log everything; returns where it is.

    Raises:
        EnvironmentProblem: the store cannot be reached or used.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        with mlflow.start_run(run_name=out_dir.resolve().name, description=logged.title) as run:
            mlflow.log_params(dict(logged.facts))
            mlflow.log_metrics(dict(logged.figures))
            _log_tables(logged)
            _log_sounds(logged)
    except (MlflowException, ImportError) as error:  # local stores need packages of their own
        raise EnvironmentProblem(
            f"--log-to mlflow: {' '.join(str(error).split())}; set MLFLOW_TRACKING_URI to a store "
            "that can be used (the report itself is written)"
        ) from error
    return f"run {run.info.run_id} in {mlflow.get_tracking_uri()}"


def _log_tables(logged: Logged) -> None:
    import mlflow

    for table in logged.tables:
        columns = {name: [row[i] for row in table.rows] for i, name in enumerate(table.columns)}
        mlflow.log_table(columns, artifact_file=f"tables/{table.name}.json")


def _log_sounds(logged: Logged) -> None:
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        for sound in logged.sounds:
            (Path(folder) / sound.name).write_bytes(sound.wav)
        mlflow.log_artifacts(folder, artifact_path="sounds")
