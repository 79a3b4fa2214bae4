"""One CSV for spreadsheets: a row for each utterance and arm, with texts, counts and flags.

All labelled utterances are here, failed ones with their reason; error rates are made of those that
are compared. Text that a spreadsheet would run as a formula gets an apostrophe in front (owasp.org,
CSV Injection).
"""

from __future__ import annotations

import csv
import io
from typing import Any

from asr_adapt.records import Utterance
from asr_adapt.reporting.results import SetReport
from asr_adapt.reporting.tables import compared
from asr_adapt.scoring.score import UtteranceScore

COLUMNS = (
    "utterance_id arm audio start_s duration_s speaker recording reference hypothesis"
    " reference_normalised hypothesis_normalised compared silence hits substitutions"
    " deletions insertions wer phrases_said phrases_found phrases_false phrases_leaked"
    " entities_said entities_right flags error"
)
"""Names of the columns, separated by spaces; times in seconds, ``wer`` a fraction."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_table(part: SetReport) -> dict[str, str]:
    """Return the CSV of a set; it begins with a byte order mark, by which Excel knows UTF-8."""
    utterances = {each.utterance_id: each for each in part.entry.utterances}
    texts = {(h.utterance_id, h.arm): h.text for h in part.entry.hypotheses if h.error is None}
    ids = compared(part)
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS.split(), lineterminator="\n")
    writer.writeheader()
    for score in part.scores.utterances:
        text = texts.get((score.utterance_id, score.arm), "")
        row = _row(utterances[score.utterance_id], score, text, score.utterance_id in ids)
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return {"scores.csv": "\ufeff" + file.getvalue()}


def _row(utterance: Utterance, score: UtteranceScore, text: str, used: bool) -> dict[str, Any]:
    words, terms = score.words, score.terms
    return {
        "utterance_id": score.utterance_id,
        "arm": score.arm,
        "audio": str(utterance.audio_path),
        "start_s": utterance.start_s,
        "duration_s": utterance.duration_s,
        "speaker": utterance.speaker,
        "recording": utterance.recording,
        "reference": utterance.reference,
        "hypothesis": text,
        "reference_normalised": score.reference,
        "hypothesis_normalised": score.hypothesis,
        "compared": int(used and not score.silence),
        "silence": int(score.silence),
        "hits": words.hits,
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
        "wer": words.rate,
        "phrases_said": sum(term.hits + term.misses for term in terms),
        "phrases_found": sum(term.hits for term in terms),
        "phrases_false": sum(term.false_insertions for term in terms),
        "phrases_leaked": sum(term.leaks for term in terms),
        "entities_said": sum(entity.said for entity in score.entities),
        "entities_right": sum(entity.right for entity in score.entities),
        "flags": " ".join(score.flags),
        "error": score.failed,
    }


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
