"""Turn a report into the object of ``report.json``, whose shape ``report.schema.json`` fixes.

Rates are fractions, times seconds, and ``wer_difference`` is WER(b) - WER(a). The first set also
stands at the top level, which is what committed results are read by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr_adapt.curve.record import curve_to_json
from asr_adapt.records import ErrorCounts
from asr_adapt.reporting.curve import recommendation
from asr_adapt.reporting.results import Report, SetReport
from asr_adapt.reporting.signs import next_steps
from asr_adapt.reporting.silence import made_up
from asr_adapt.reporting.slices import Breakdown
from asr_adapt.reporting.tables import (
    compared,
    confused,
    dropped_count,
    silence_rate,
    silence_s,
    term_rows,
)
from asr_adapt.reporting.transfer import find_transfer, transfer_to_json
from asr_adapt.scoring.score import ArmScore, Comparison
from asr_adapt.scoring.score_records import Difference, Measure

SCHEMA_VERSION = 1
MOST_TERMS = 50
MOST_CONFUSIONS = 20


def report_to_json(report: Report) -> dict[str, Any]:
    """Return the report as a JSON object."""
    first = report.primary
    return {
        "kind": "asr-adapt report",
        "schema_version": SCHEMA_VERSION,
        "normaliser": {
            "name": first.scores.normaliser,
            "version": first.scores.normaliser_version,
        },
        "arms": [_arm(first, arm) for arm in first.scores.arms],
        "comparisons": [_comparison(each) for each in first.scores.comparisons],
        "advice": [{"about": each.about, "text": each.text} for each in next_steps(report)],
        "sets": [_set(part) for part in report.sets],
        "run": dict(report.runs[0].record),
        "further_runs": [dict(run.record) for run in report.runs[1:]],
        **_unscored(report),
        **_curve(report),
        **_transfer(report),
    }


def _unscored(report: Report) -> dict[str, Any]:
    names = [entry.name for entry in report.unscored]
    return {"unscored_sets": names} if names else {}


def _curve(report: Report) -> dict[str, Any]:
    if report.curve is None:
        return {}
    said = {"recommendation": recommendation(report.curve)}
    return {"learning_curve": {**curve_to_json(report.curve), **said}}


def _transfer(report: Report) -> dict[str, Any]:
    found = find_transfer(report.runs, report.sets)
    return {"transfer": transfer_to_json(found)} if found else {}


def _set(part: SetReport) -> dict[str, Any]:
    scores = part.scores
    terms = term_rows(part)
    return {
        "name": part.entry.name,
        "role": part.entry.role,
        "title": part.entry.title,
        "utterances": len(part.entry.utterances),
        "compared_utterances": len(compared(part)),
        "speakers": part.speakers,
        "audio_s": part.audio_s,
        "resampling": {
            "blocks": scores.blocks,
            "n_blocks": scores.n_blocks,
            "caveat": scores.caveat,
            "resamples": scores.resamples,
            "seed": scores.seed,
        },
        "left_out": list(scores.left_out),
        "looping": list(scores.looping),
        "unlabelled": list(scores.unlabelled),
        "arms": [_arm(part, arm) for arm in scores.arms],
        "comparisons": [_comparison(each) for each in scores.comparisons],
        "differences": [_difference(each) for each in scores.differences],
        "phrases": len(part.entry.phrases),
        "by_tag": [_breakdown(each) for each in part.by_tag],
        "by_snr": _breakdown(part.by_snr) if part.by_snr else None,
        "confusions": {
            arm.arm: [
                {"reference": said, "hypothesis": heard, "count": count}
                for (said, heard), count in confused(part, arm.arm)[:MOST_CONFUSIONS]
            ]
            for arm in scores.arms
        },
        "terms_total": len(terms),
        "terms": [
            {
                "phrase": row.phrase,
                "arms": {
                    arm: {
                        "hits": term.hits,
                        "misses": term.misses,
                        "false_insertions": term.false_insertions,
                        "leaks": term.leaks,
                        "recall": term.recall,
                        "precision": term.precision,
                    }
                    for arm, term in row.arms.items()
                },
            }
            for row in terms[:MOST_TERMS]
        ],
    }


def _arm(part: SetReport, arm: ArmScore) -> dict[str, Any]:
    silence = {each.arm: each.ci95 for each in made_up(part)}.get(arm.arm)
    return {
        "name": arm.arm,
        "wer": arm.wer,
        "wer_ci95": list(arm.wer_ci95) if arm.wer_ci95 else None,
        "wer_raw": arm.wer_raw,
        "wer_whisper": arm.wer_whisper,
        "wer_domain": arm.wer,
        "cer": arm.cer,
        "substitutions": arm.words.substitutions,
        "deletions": arm.words.deletions,
        "insertions": arm.words.insertions,
        "reference_words": arm.words.reference_length,
        "context_wer": arm.context_wer,
        "other_wer": arm.other_wer,
        "wer_without_loops": arm.wer_without_loops,
        "term_recall": arm.term_recall,
        "term_precision": arm.term_precision,
        "silence_utterances": arm.silence_utterances,
        "silence_insertions": arm.silence_insertions,
        "silence_s": silence_s(part),
        "silence_words_per_minute": silence_rate(part, arm),
        "silence_words_per_minute_ci95": list(silence) if silence else None,
        "failed": list(arm.failed),
        "missing": list(arm.missing),
        "flagged": dict(arm.flagged),
        "dropped_phrases": dropped_count(part, arm.arm),
        "decode_s": arm.decode_s,
        "audio_s": arm.audio_s,
        "rtf": arm.rtf,
        "measures": {each.name: _measure(each) for each in arm.measures},
    }


def _measure(each: Measure) -> dict[str, Any]:
    bounds = list(each.ci95) if each.ci95 else None
    return {"value": each.value, "part": each.part, "whole": each.whole, "ci95": bounds}


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "measure": each.measure,
        "a": each.a,
        "b": each.b,
        "difference": each.difference,
        "ci95": list(each.ci95),
        "p_value": each.p_value,
    }


def _comparison(each: Comparison) -> dict[str, Any]:
    return {
        "a": each.a,
        "b": each.b,
        "wer_difference": each.wer_difference,
        "ci95": list(each.ci95),
        "p_value": each.p_value,
        "probability_of_improvement": each.probability_of_improvement,
        "relative": each.relative,
    }


def _breakdown(part: Breakdown) -> dict[str, Any]:
    return {
        "name": part.name,
        "source": part.source,
        "slices": [
            {
                "value": each.value,
                "utterances": each.utterances,
                "arms": {arm: _rate(words) for arm, words in each.words.items()},
            }
            for each in part.slices
        ],
    }


def _rate(words: ErrorCounts) -> Mapping[str, Any]:
    return {
        "wer": words.rate,
        "errors": words.errors,
        "reference_words": words.reference_length,
    }
