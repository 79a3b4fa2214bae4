"""The folder of a run: what was run, on what, and whether it is the same run that goes on.

::

    RUN/run.json                        what was run: model, adapter, settings, environment, command
    RUN/sets/<name>/manifest.jsonl      the utterances
    RUN/sets/<name>/phrases.txt         the list told about all of them, if there is one
    RUN/sets/<name>/hypotheses.jsonl    raw text of every arm, appended while decoding
    RUN/sets/<name>/pieces.jsonl        raw text of pieces, where long speech is decoded in such

Scoring and the report read these files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from typing import Any

from asr_adapt.adapter import AdapterCard, weight_file
from asr_adapt.context.bias import list_record
from asr_adapt.environment import measured_with
from asr_adapt.errors import UsageError
from asr_adapt.evaluation_job import EvaluationJob, TestSet, told_list
from asr_adapt.files import write_json, write_whole
from asr_adapt.hypotheses import refuse_leftovers
from asr_adapt.manifest import read_manifest, write_manifest
from asr_adapt.model import computes_bfloat16, pick_device
from asr_adapt.records import BiasList
from asr_adapt.settings import PromptSettings
from asr_adapt.token_cap import in_words

TEXTS, PIECES = "hypotheses.jsonl", "pieces.jsonl"


def set_folder(run_dir: Path, name: str) -> Path:
    """Return the folder of a test set in a run directory."""
    return run_dir / "sets" / name


def open_run(
    run_dir: Path,
    job: EvaluationJob,
    card: AdapterCard | None,
    prompts: PromptSettings,
    resume: bool,
) -> None:
    """Create the run directory, or check that it is this run's.

    Raises:
        UsageError: it is another run's, this one and not to be resumed, or nobody knows whose.
    """
    record = run_record(job, card, prompts)
    path = run_dir / "run.json"
    if path.exists():
        if not resume:
            raise UsageError(f"{run_dir}: holds a run already; use --resume or another --out")
        check_same_run(run_dir, json.loads(path.read_text(encoding="utf-8")), record)
        check_same_rows(run_dir, job.sets)
        return
    folders = [set_folder(run_dir, test.name) for test in job.sets]
    refuse_leftovers(path, [folder / name for folder in folders for name in (TEXTS, PIECES)])
    for test in job.sets:
        folder = set_folder(run_dir, test.name)
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder / "manifest.jsonl", test.utterances)
        if listed := told_list(test, job.bias_list):
            lines = [f"{' '.join(phrase.split())}\n" for phrase in listed.phrases]
            write_whole(folder / "phrases.txt", "".join(lines))
    write_json(path, record)


def check_same_run(run_dir: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise UsageError unless both records describe the same work."""
    for key in ("model", "adapter", "decode", "normaliser", "seed", "sets", "excluded"):
        there, asked = before.get(key), json.loads(json.dumps(now[key]))
        if there != asked:
            raise UsageError(
                f"{run_dir}: the run there has another '{key}'{_where_they_differ(there, asked)}; "
                "resume with the same command, or use another --out"
            )


def _where_they_differ(there: Any, asked: Any) -> str:
    """Say what of two records differs, where that takes few words."""
    if isinstance(there, dict) and isinstance(asked, dict):
        pairs = {key: (there.get(key), asked.get(key)) for key in {**there, **asked}}
        told = (f"{key} {a!r}, not {b!r}" for key, (a, b) in pairs.items() if a != b)
        return f": {shorten('; '.join(told), 200, placeholder=' …')}"
    names = [
        ", ".join(each["name"] for each in some if isinstance(each, dict) and "name" in each)
        for some in (there, asked)
        if isinstance(some, list)
    ]
    return f": {names[0]}, not {names[1]}" if len(set(names)) == 2 else ""


def check_same_rows(run_dir: Path, sets: Sequence[TestSet]) -> None:
    """Raise UsageError unless the run's manifests hold the utterances of the sets."""
    for test in sets:
        path = set_folder(run_dir, test.name) / "manifest.jsonl"
        if not path.exists():
            raise UsageError(
                f"{run_dir}: has run.json, but no file {path.relative_to(run_dir)}; restore it, or "
                "delete run.json and sets/ to decode again"
            )
        before = read_manifest(path, allow_outside=True)
        # Where files lie may have changed; what is in them and what is known about them may not.
        then, now = (
            [replace(u, audio_path=Path(u.audio_path.name)) for u in rows]
            for rows in (before, test.utterances)
        )
        if then != now:
            raise UsageError(
                f"{path}: the data has changed since this run began; undo that, or use "
                "another --out"
            )


def run_record(
    job: EvaluationJob, card: AdapterCard | None, prompts: PromptSettings
) -> dict[str, Any]:
    """Return everything about a run that a reader of its numbers needs, as JSON."""
    device = pick_device(job.device)
    measured = measured_with(str(device))
    measured["environment"]["precision"] = "bfloat16" if computes_bfloat16(device) else "float32"
    window = "full (30 s)"
    if card and card.window_slack_frames is not None:
        window += (
            f"; with the adapter, speech and {card.window_slack_frames * 20} ms of silence, "
            f"at least {card.window_least_frames * 20} ms"
        )
    return {
        "kind": "asr-adapt run",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(job.command),
        "seed": job.seed,
        **measured,
        "model": {
            "name": job.weights.name,
            "source": job.weights.source,
            "sha256": job.weights.sha256,
        },
        "adapter": adapter_record(job.adapter, card) if job.adapter and card else None,
        "decode": {
            **asdict(job.decode),
            "window": window,
            "token_cap": in_words({u.language for each in job.sets for u in each.utterances}),
            "bias": asdict(job.bias),
            "prompt_template": prompts.template,
            "prompt_budget_tokens": prompts.budget_tokens,
            "bias_list": list_record(job.bias_list) if job.bias_list else None,
            **({"examples": list_record(job.examples)} if job.examples else {}),
        },
        "normaliser": job.normaliser,
        "training_curve": [dict(row) for row in card.training_curve] if card else [],
        "leak_check": job.leak_check,
        "excluded": list(job.excluded),
        "sets": [set_record(test, job.bias_list) for test in job.sets],
    }


def set_record(test: TestSet, bias_list: BiasList | None) -> dict[str, Any]:
    """Return where a set lies in the run directory."""
    folder = f"sets/{test.name}"
    listed = told_list(test, bias_list) is not None
    return {
        "name": test.name,
        "role": test.role,
        "title": test.title,
        "manifest": f"{folder}/manifest.jsonl",
        "hypotheses": f"{folder}/{TEXTS}",
        **({"phrases": f"{folder}/phrases.txt"} if listed else {}),
        "utterances": len(test.utterances),
    }


def adapter_record(folder: Path, card: AdapterCard) -> dict[str, Any]:
    """Return what a report says about an adapter."""
    return {
        "path": str(folder),
        "sha256": card.weights_sha256,
        "method": card.method,
        "seed": card.seed,
        "strength": card.strength,
        "strength_wer": [dict(row) for row in card.strength_wer],
        "minutes_of_labels": card.label_minutes,
        "training_s": card.training_s,
        "trainable_parameters": card.trainable_parameters,
        "steps": card.steps,
        "chosen_step": card.chosen_step,
        "dev_wer": [dict(row) for row in card.dev_wer],
        **({"averaged": dict(card.averaged)} if card.averaged else {}),
        "size_bytes": weight_file(folder).stat().st_size,
        "settings": dict(card.settings),
        "command": list(card.command),
    }
