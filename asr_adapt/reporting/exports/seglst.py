"""SegLST for meeteval: lists of segments as JSON, what was said and what each arm heard.

Each utterance is a session of its own, since each was decoded on its own: every word error rate of
meeteval then compares the same texts as we do. Format: github.com/fgnt/meeteval, README, SegLST.
"""

from __future__ import annotations

import json
from typing import Any

from asr_adapt.reporting.exports.rows import Row, compared_rows, safe_names
from asr_adapt.reporting.results import SetReport


def write_seglst(part: SetReport) -> dict[str, str]:
    """Return the files of a set by name."""
    rows = compared_rows(part)
    files = {"ref.seglst.json": _dump([_segment(row, row.reference) for row in rows])}
    for arm, name in safe_names(arm.arm for arm in part.scores.arms).items():
        heard = [_segment(row, row.scores[arm].hypothesis) for row in rows]
        files[f"{name}.seglst.json"] = _dump(heard)
    return files


def _segment(row: Row, words: str) -> dict[str, Any]:
    return {
        "session_id": row.utterance.utterance_id,
        "speaker": row.utterance.speaker or "unknown",
        "start_time": row.utterance.start_s,
        "end_time": row.end_s,
        "words": words,
    }


def _dump(segments: list[dict[str, Any]]) -> str:
    return json.dumps(segments, indent=1, ensure_ascii=False) + "\n"
