"""List every utterance of every arm with its errors marked, as text to search with grep.

The notation is icefall's: ``(SAID->HEARD)``, ``(SAID->*)`` for a word left out and
``(*->HEARD)`` for one that nobody said (github.com/k2-fsa/icefall, icefall/utils.py,
write_error_stats). A word of the data that looks like the notation is not escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.scoring.alignment import AlignedWord
from asr_adapt.scoring.score_records import ArmScore, UtteranceScore


def render_errors(report: Report) -> str:
    """Return the text of ``errors.txt``."""
    lines = [
        line
        for part in report.sets
        for arm in part.scores.arms
        for line in (*_head(part, arm), *_body(part, arm), "")
    ]
    return "\n".join(lines)


def _head(part: SetReport, arm: ArmScore) -> Iterator[str]:
    counts = arm.words
    rate = "no reference words" if arm.wer is None else f"%WER {100 * arm.wer:.2f}"
    yield f"# set {_flat(part.entry.name)}, arm {_flat(arm.arm)}: {rate}"
    yield (
        f"# {counts.errors} errors in {counts.reference_length} words: "
        f"{counts.substitutions} substitutions, {counts.deletions} deletions, "
        f"{counts.insertions} insertions"
    )
    if arm.silence_utterances:
        yield (
            f"# apart from these, {arm.silence_insertions} words in {arm.silence_utterances} "
            "utterances in which nobody speaks"
        )


def _body(part: SetReport, arm: ArmScore) -> Iterator[str]:
    for each in part.scores.utterances:
        if each.arm == arm.arm:
            yield f"{_flat(each.utterance_id)}:\t{_told(each)}"


def _told(score: UtteranceScore) -> str:
    if score.failed:
        return f"failed: {_flat(score.failed)}"
    return f"nobody speaks: {mark(score.alignment)}" if score.silence else mark(score.alignment)


def mark(alignment: Iterable[AlignedWord]) -> str:
    """Write an alignment on one line.

    >>> mark([AlignedWord("hit", "pan", "pan"), AlignedWord("del", "over", "")])
    'pan (over->*)'
    """
    return " ".join(
        word.reference
        if word.kind == "hit"
        else f"({word.reference or '*'}->{word.hypothesis or '*'})"
        for word in alignment
    )


def _flat(text: str) -> str:
    return " ".join(text.split())
