"""NeMo manifests for the Speech Data Explorer: one JSON line for each utterance.

``text`` and ``pred_text`` are normalised, since the explorer compares them as they are; each arm
has a field of its own for its comparison tool (``pred_text_base``; "+" becomes "_"), and
``pred_text`` is the best arm. Format: docs.nvidia.com/nemo-framework, Speech Data Explorer.
"""

from __future__ import annotations

import json
from typing import Any

from asr_adapt.reporting.exports.rows import Row, compared_rows, safe_names
from asr_adapt.reporting.results import SetReport


def write_sde(part: SetReport) -> dict[str, str]:
    """Return the name and the content of the manifest of a set."""
    best = part.best.arm if part.best else part.scores.arms[0].arm
    safe = safe_names(arm.arm.replace("+", "_") for arm in part.scores.arms)
    fields = {arm.arm: f"pred_text_{safe[arm.arm.replace('+', '_')]}" for arm in part.scores.arms}
    rows = (_row(row, best, fields) for row in compared_rows(part))
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return {"nemo.jsonl": "".join(lines)}


def _row(row: Row, best: str, fields: dict[str, str]) -> dict[str, Any]:
    utterance = row.utterance
    return {
        "audio_filepath": str(utterance.audio_path),
        "offset": utterance.start_s,
        "duration": utterance.duration_s,
        "text": row.reference,
        "pred_text": row.scores[best].hypothesis,
        **{field: row.scores[arm].hypothesis for arm, field in fields.items()},
        "utterance_id": utterance.utterance_id,
        "speaker": utterance.speaker or "",
        "text_written": utterance.reference,
    }
