"""What the commands do, as functions: `evaluate`, `export`, `finetune`, `report`, `transcribe`.

Each takes paths and plain settings, does the whole work of the command of the same name, writes the
same files and returns what it made. Importing this loads nothing heavy; calling does. They are also
names of the package: ``import asr_adapt; asr_adapt.evaluate(...)``.
"""

from __future__ import annotations

from asr_adapt.api.deployment import export
from asr_adapt.api.reports import evaluate, report
from asr_adapt.api.session import PathText, Phrases, Session
from asr_adapt.api.speech import transcribe
from asr_adapt.api.training import finetune, refuse_finished, train_on, training_job

__all__ = [
    "PathText",
    "Phrases",
    "Session",
    "evaluate",
    "export",
    "finetune",
    "refuse_finished",
    "report",
    "train_on",
    "training_job",
    "transcribe",
]
