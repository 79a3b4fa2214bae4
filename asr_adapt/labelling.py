"""Tasks for Label Studio with what a model heard, for people to correct; corrections come back.

Reads a run directory or utterances, writes one JSON file and the labelling interface beside it.
``importers.label_studio`` reads the export that Label Studio makes of them.
Formats: https://labelstud.io/guide/tasks and https://labelstud.io/guide/predictions
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from asr_adapt.errors import DataError, UsageError
from asr_adapt.files import json_text, refuse_other, write_json, write_whole
from asr_adapt.records import ARMS, Hypothesis, Utterance
from asr_adapt.reporting.runs import Run, RunSet, read_run
from asr_adapt.words.text import get_normaliser

INTERFACE = """<View>
  <Audio name="audio" value="$audio" zoom="true"/>
  <Text name="known" value="$known"/>
  <Labels name="speech" toName="audio"><Label value="Speech"/></Labels>
  <TextArea name="words" toName="audio" perRegion="true" editable="true" rows="2"/>
</View>
"""
"""The labelling interface that the tasks are made for (https://labelstud.io/tags)."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What people start from: words, who suggests them, and how certain that is, 0 to 1."""

    text: str
    source: str
    score: float | None = None


def suggestions_of_run(
    run_dir: Path, set_name: str | None = None, arm: str | None = None, everything: bool = False
) -> list[tuple[Utterance, Suggestion]]:
    """Return what an arm of a run heard, the least certain first.

    Args:
        run_dir: what ``eval`` wrote.
        set_name: the test set; None for the first.
        arm: the arm; None for the last that was decoded, the one that is told most.
        everything: whether utterances that were heard as their reference says are kept too.

    Raises:
        DataError: no run, or nothing in it to correct.
        UsageError: no such set or arm.
    """
    run = read_run(run_dir)
    entry = _set_called(run, set_name)
    name = _arm_called(run, entry, arm)
    normalise = get_normaliser(run.normaliser)
    heard = {h.utterance_id: h for h in entry.hypotheses if h.arm == name and h.error is None}
    wrong = [
        (u, heard[u.utterance_id])
        for u in entry.utterances
        if u.utterance_id in heard
        and (everything or _differ(u.reference, heard[u.utterance_id].text, normalise))
    ]
    if not wrong:
        raise DataError(f"{run_dir}: arm {name} has no error to correct; --all takes every row")
    wrong.sort(key=lambda pair: (_certainty(pair[1]), pair[0].utterance_id))
    source = f"{run.record['model']['name']} {name}"
    return [(u, Suggestion(row.text, source, _certainty(row))) for u, row in wrong]


def _set_called(run: Run, name: str | None) -> RunSet:
    for entry in run.sets:
        if name in (None, entry.name):
            return entry
    known = ", ".join(entry.name for entry in run.sets)
    raise UsageError(f"--set {name}: the sets of {run.directory} are {known}")


def _arm_called(run: Run, entry: RunSet, name: str | None) -> str:
    """Return the arm of that name, or the one that is told most."""
    decoded = {row.arm for row in entry.hypotheses}
    arms = [arm for arm in ARMS if arm in decoded]
    if not arms or name not in (None, *arms):
        raise UsageError(f"--arm {name}: the arms of {run.directory} are {', '.join(arms)}")
    return name or arms[-1]


def _differ(reference: str | None, heard: str, normalise: Callable[[str], str]) -> bool:
    return reference is None or normalise(reference) != normalise(heard)


def _certainty(row: Hypothesis) -> float:
    """The geometric mean of the tokens' probabilities; 0 where nothing was decoded."""
    return round(math.exp(row.avg_logprob), 4) if row.avg_logprob is not None else 0.0


def suggestions_of_data(utterances: Sequence[Utterance]) -> list[tuple[Utterance, Suggestion]]:
    """Return the references of data, such as pseudo labels, as what people start from."""
    return [(u, Suggestion(u.reference or "", "reference")) for u in utterances]


def write_tasks(path: Path, suggestions: Sequence[tuple[Utterance, Suggestion]]) -> Path:
    """Write tasks, and the interface they are made for as ``<path>.xml`` beside them.

    Sounds are named by local storage addresses
    (https://labelstud.io/guide/storage#local-storage), relative to the folder returned.

    Args:
        path: the JSON file.
        suggestions: utterances with what people start from; at least one.

    Returns:
        The folder that holds the sounds and the tasks: Label Studio is started with it as
        LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, and the export is to be saved there.

    Raises:
        UsageError: one of the files is there, with other content.
    """
    folders = [str(u.audio_path.resolve().parent) for u, _ in suggestions]
    root = Path(os.path.commonpath([str(path.parent.resolve()), *folders]))
    tasks = [_task(u, suggestion, root) for u, suggestion in suggestions]
    interface = path.with_suffix(".xml")
    refuse_other(path, json_text(tasks))
    refuse_other(interface, INTERFACE)
    write_json(path, tasks)
    write_whole(interface, INTERFACE)
    return root


def _task(utterance: Utterance, suggestion: Suggestion, root: Path) -> dict[str, Any]:
    relative = utterance.audio_path.resolve().relative_to(root).as_posix()
    data = {
        "audio": f"/data/local-files/?d={quote(relative)}",
        "known": " | ".join(utterance.context),
        "context": list(utterance.context),
        "tags": dict(utterance.tags),
        **{key: getattr(utterance, key) for key in _KEPT},
    }
    prediction: dict[str, Any] = {
        "model_version": suggestion.source,
        "result": _region(utterance, suggestion.text),
    }
    if suggestion.score is not None:
        prediction["score"] = suggestion.score
    return {"data": data, "predictions": [prediction]}


_KEPT = ("utterance_id", "start_s", "duration_s", "speaker", "language", "recording_id")
"""What the importer takes from a task's data, so that corrections come back to their rows."""


def _region(utterance: Utterance, text: str) -> list[dict[str, Any]]:
    """One stretch of the sound with a label and words, as annotators would have marked it."""
    times: Mapping[str, float] = {
        "start": utterance.start_s,
        "end": round(utterance.start_s + utterance.duration_s, 6),
    }
    common = {"id": "speech", "to_name": "audio"}
    return [
        {
            **common,
            "from_name": "speech",
            "type": "labels",
            "value": {**times, "labels": ["Speech"]},
        },
        {**common, "from_name": "words", "type": "textarea", "value": {**times, "text": [text]}},
    ]
