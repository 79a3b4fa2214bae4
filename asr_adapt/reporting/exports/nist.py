"""STM and CTM for sclite, NIST's scorer: segments that were said, words that were heard.

Each utterance is a file of its own here (first column), from 0 s to its length, since each was
decoded on its own; other utterances of one recording can then not take its words. Format:
github.com/usnistgov/SCTK, doc/infmts.htm. sclite weighs errors 3, 3, 4 when it aligns, so its
counts can differ from ours by some words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from asr_adapt.reporting.exports.rows import Row, compared_rows, safe_names
from asr_adapt.reporting.results import SetReport

EVENLY = ";; word times are not known: they are spread evenly over each utterance\n"
"""Stands at the head of every CTM: nothing here decodes times of words."""

_MARKUP = re.compile(r"[{}()<>@/\\;\s]+")
"""What sclite reads as alternatives, optional words or comments; left out of words."""


def write_stm(part: SetReport) -> dict[str, str]:
    """Return the STM of what was said and one of what each arm heard, by file name."""
    rows = compared_rows(part)
    files = {"ref.stm": "".join(_segments(rows, None))}
    for arm, name in safe_names(arm.arm for arm in part.scores.arms).items():
        files[f"{name}.stm"] = "".join(_segments(rows, arm))
    return files


def write_ctm(part: SetReport) -> dict[str, str]:
    """Return the CTM of each arm, by file name; word times are spread evenly."""
    rows = compared_rows(part)
    return {
        f"{name}.ctm": EVENLY + "".join(_words(rows, arm))
        for arm, name in safe_names(arm.arm for arm in part.scores.arms).items()
    }


def _segments(rows: list[Row], arm: str | None) -> Iterator[str]:
    waveforms = safe_names(row.utterance.utterance_id for row in rows)
    for row in rows:
        text = row.reference if arm is None else row.scores[arm].hypothesis
        speaker = _plain(row.utterance.speaker or "") or "unknown"
        place = f"{waveforms[row.utterance.utterance_id]} 1 {speaker}"
        words = " ".join(filter(None, map(_plain, text.split())))
        yield f"{place} 0.000 {row.utterance.duration_s:.3f} {words}".rstrip() + "\n"


def _words(rows: list[Row], arm: str) -> Iterator[str]:
    waveforms = safe_names(row.utterance.utterance_id for row in rows)
    for row in rows:
        words = list(filter(None, map(_plain, row.scores[arm].hypothesis.split())))
        step_s = row.utterance.duration_s / max(1, len(words))
        for i, word in enumerate(words):
            waveform = waveforms[row.utterance.utterance_id]
            yield f"{waveform} 1 {i * step_s:.4f} {step_s:.4f} {word}\n"


def _plain(word: str) -> str:
    return _MARKUP.sub("", word)
