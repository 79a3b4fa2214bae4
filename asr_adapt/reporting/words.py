"""Say in words what the numbers mean: the answer, each step, further sets, and the cost.

Pure functions from a `Report` to sentences; the page, the markdown and the terminal share them.
Rates become per cent here and nowhere below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asr_adapt.records import FLAGS
from asr_adapt.reporting.arms import partner, split_arm
from asr_adapt.reporting.results import Report, SetReport, effort
from asr_adapt.reporting.runs import RunSet
from asr_adapt.reporting.silence import SilenceChange, silence_changes
from asr_adapt.scoring.score import ArmScore, Comparison

NONE = "\u2013"
"""Shown where there is no number: an en dash."""

MINUS = "\u2212"

PLAIN = {
    "base": "as it comes",
    "base+bias": "told the context",
    "lora": "fine-tuned",
    "lora+bias": "fine-tuned and told the context",
}

STEPS = (
    ("base", "base+bias", "Telling the untouched model the context"),
    ("base", "lora", "Fine-tuning"),
    ("lora", "lora+bias", "Telling the fine-tuned model the context"),
    ("base", "lora+bias", "Doing both"),
)

SIGNS = {"better": "▼", "worse": "▲", "unclear": "≈"}
"""An error rate that goes down is better; shape and words say it beside the colour."""


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence about a comparison; ``verdict`` is better, worse or unclear."""

    verdict: str
    text: str

    @property
    def sign(self) -> str:
        """A sign for the verdict."""
        return SIGNS[self.verdict]


def plain(arm: str) -> str:
    """Return what an arm is in plain words; its own name where it is none of ours."""
    kind, run = split_arm(arm)
    return PLAIN.get(kind, kind) + run


def flags(arms: Sequence[ArmScore]) -> list[tuple[str, str]]:
    """Return each flag that a text of some arm has, and what it means."""
    found = {flag for arm in arms for flag in arm.flagged}
    return [(flag, meaning) for flag, meaning in FLAGS.items() if flag in found]


def percent(rate: float | None) -> str:
    """Show a fraction in per cent."""
    return NONE if rate is None else f"{100 * rate:.1f} %"


def points(difference: float) -> str:
    """Show a difference of fractions in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", MINUS)


def interval(bounds: tuple[float, float] | None) -> str:
    """Show an interval of rates in per cent."""
    return NONE if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def point_interval(bounds: tuple[float, float]) -> str:
    """Show an interval of differences in percentage points."""
    return f"{points(bounds[0])} to {points(bounds[1])}"


def duration(seconds: float) -> str:
    """Show a time: ``7 min 10 s``.

    >>> duration(430.2), duration(4.25), duration(7260)
    ('7 min 10 s', '4.2 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole, rest = divmod(round(seconds), 60)
    return f"{whole} min {rest} s" if whole < 60 else f"{whole // 60} h {whole % 60} min"


def size(octets: float) -> str:
    """Show a file size in megabytes (10^6)."""
    return f"{octets / 1e6:.1f} MB"


def share(relative: float | None) -> str:
    """Show a relative change in per cent, with its sign."""
    return NONE if relative is None else f"{points(relative)} %"


def p_value(value: float) -> str:
    """Show a p-value of a bootstrap, which cannot tell smaller ones from 0.001."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def minutes(value: float | None) -> str:
    """Show a number of minutes."""
    return NONE if value is None else f"{value:.0f} min"


def speech_length(length_min: float) -> str:
    """Say how long speech is: in whole minutes, but where these are few.

    >>> speech_length(40.2), speech_length(1.07), speech_length(0.2)
    ('40 minutes', '1 min 4 s', '12.0 s')
    """
    return f"{length_min:.0f} minutes" if length_min >= 2 else duration(60 * length_min)


def time_or_none(seconds: float | None) -> str:
    """Show a time that may be unknown."""
    return NONE if seconds is None else duration(seconds)


def size_or_none(octets: float | None) -> str:
    """Show a file size that may be unknown."""
    return NONE if octets is None else size(octets)


def number(record: Mapping[str, Any] | None, key: str) -> float | None:
    """Return a number of run.json; None where it is absent or something else."""
    value = (record or {}).get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def verdict(comparison: Comparison) -> str:
    """Judge a comparison: its interval excludes zero on one side, or it does not."""
    return _judge(comparison.ci95)


def _judge(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return "better" if high < 0 else "worse" if low > 0 else "unclear"


def size_words(part: SetReport) -> str:
    """Say how much a set is: ``100 utterances, 12 speakers, 8 min 20 s``."""
    count, left_out = len(part.entry.utterances), len(part.scores.left_out)
    bits = [f"{count} utterance{'s' * (count != 1)}"]
    if left_out:
        bits.append(f"{left_out} of them not compared")
    if part.speakers:
        bits.append(f"{part.speakers} speaker{'s' * (part.speakers != 1)}")
    return ", ".join([*bits, duration(part.audio_s)])


def about_loops(part: SetReport) -> str | None:
    """Say what the error rates are without the utterances that loop; None where none does.

    A loop of a hundred words can decide a comparison, and says nothing about all the others.
    """
    count, rated = len(part.scores.looping), part.rated
    if not (count and rated):
        return None
    rates = ", ".join(f"{arm.arm} {percent(arm.wer_without_loops)}" for arm in rated)
    what = "one utterance that loops" if count == 1 else f"{count} utterances that loop"
    return f"Without the {what} in some arm: {rates}."


def not_scored(entry: RunSet) -> str:
    """Say that a set is left out since nothing says what was said."""
    count = len(entry.utterances)
    return f"{entry.title}: none of {count} utterances has a transcript: not scored"


def lead(report: Report) -> str:
    """Answer the question in one paragraph."""
    part = report.primary
    if not part.rated:
        return f"{part.entry.title}: no transcripts to score against, so there is no error rate."
    first, *others = part.rated
    said = [f"{_label(report, first)} {_wrong(first)} of words wrong{_range(first)}"]
    said += [f"{_label(report, arm)} {_wrong(arm)}{_range(arm)}" for arm in others]
    return f"On “{part.entry.title}” ({size_words(part)}): {'; '.join(said)}."


def _label(report: Report, arm: ArmScore) -> str:
    labels = number(report.adapter_of(arm.arm), "minutes_of_labels")
    kind, run = split_arm(arm.arm)
    if labels is None or kind != "lora":
        return plain(arm.arm)
    return f"fine-tuned{run} on {speech_length(labels)} of transcribed speech"


def _wrong(arm: ArmScore) -> str:
    rate = 100 * (arm.wer or 0.0)
    return f"{rate:.0f} %" if rate >= 20 else f"{rate:.1f} %"


def _range(arm: ArmScore) -> str:
    if arm.wer_ci95 is None:
        return ""
    low, high = arm.wer_ci95
    digits = 0 if 100 * (arm.wer or 0.0) >= 20 else 1
    return f" ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def steps(part: SetReport) -> list[Step]:
    """Judge each step from one arm to the next, then runs against each other."""
    arms = [arm.arm for arm in part.scores.arms]
    runs = dict.fromkeys(split_arm(arm)[1] for arm in arms)
    known = {}
    for run in runs:
        for a, b, name in STEPS:
            pair = (partner(a, run, arms), partner(b, run, arms))
            if None not in pair:
                known[pair] = name + (run if run and pair[1] != b else "")
    found = [
        (known.get((each.a, each.b)) or _against(each), each) for each in part.scores.comparisons
    ]
    chosen = [(name, each) for name, each in found if name] or [
        (f"{each.b} against {each.a}", each) for _, each in found
    ]
    order = {pair: place for place, pair in enumerate(known)}
    chosen.sort(key=lambda item: order.get((item[1].a, item[1].b), len(order)))
    return [step(each, name) for name, each in chosen]


def _against(comparison: Comparison) -> str | None:
    """Name a comparison of one arm in two runs; None if it is of different arms."""
    (kind, _), (other, _) = split_arm(comparison.a), split_arm(comparison.b)
    same = kind == other and kind in PLAIN
    return f"{plain(comparison.b)} against {plain(comparison.a)}" if same else None


def step(comparison: Comparison, name: str) -> Step:
    """Judge one comparison in a sentence that starts with ``name``."""
    judged = verdict(comparison)
    change = f"{abs(100 * comparison.wer_difference):.1f} points"
    if comparison.relative is not None and judged == "better":
        change += f" ({-100 * comparison.relative:.0f} % fewer errors)"
    low, high = sorted(abs(100 * bound) for bound in comparison.ci95)
    bounds = f"95 % interval {low:.1f} to {high:.1f}"
    said = {
        "better": f"takes {change} off the error rate; {bounds}, so it is certain.",
        "worse": f"adds {change} to the error rate; {bounds}, so it is certainly worse here.",
        "unclear": f"makes no certain difference: {points(comparison.wer_difference)} points, "
        f"95 % interval {point_interval(comparison.ci95)}, which includes zero.",
    }
    return Step(judged, f"{name} {said[judged]}")


def advice(part: SetReport) -> str | None:
    """Say which arm to use: the best, or one that asks for less and cannot be told from it."""
    best = part.best
    if best is None or len(part.rated) < 2:
        return None
    cheapest = min(part.rated, key=lambda each: effort(each.arm))
    if best.arm == cheapest.arm:
        return f"No arm has a lower error rate than “{plain(best.arm)}” on this test set."
    for arm in sorted(part.rated, key=lambda each: effort(each.arm)):
        if effort(arm.arm) >= effort(best.arm):
            break
        against = part.comparison(arm.arm, best.arm)
        if against and verdict(against) == "unclear":
            return (
                f"“{plain(best.arm)}” has the lowest error rate, but “{plain(arm.arm)}” asks for "
                "less and cannot be told from it on this test set."
            )
    return f"“{plain(best.arm)}” has the lowest error rate."


def error_mix(arm: ArmScore) -> str | None:
    """Say what kind of errors an arm makes and what that hints at."""
    counts = arm.words
    if not counts.errors:
        return None
    kinds = {
        "words heard as other words": counts.substitutions,
        "words left out": counts.deletions,
        "words that nobody said": counts.insertions,
    }
    shares = [f"{100 * value / counts.errors:.0f} % {kind}" for kind, value in kinds.items()]
    return f"Errors of “{plain(arm.arm)}”: {', '.join(shares)}."


def about_set(part: SetReport) -> list[Step]:
    """Say what a further set shows: forgetting, words made up where nobody speaks, or the steps."""
    if part.entry.role == "silence":
        return about_silence(part)
    changes = forgetting(part)
    if part.entry.role != "general" or not changes:
        return steps(part)
    return [_forgetting(part, each) for each in changes]


def forgetting(part: SetReport) -> list[Comparison]:
    """Return the comparisons of fine-tuned arms with the untouched model of the same run."""
    arms = [arm.arm for arm in part.scores.arms]
    tuned = [(split_arm(arm)[1], arm) for arm in arms if split_arm(arm)[0] == "lora"]
    pairs = [(partner("base", run, arms), arm) for run, arm in tuned]
    found = [part.comparison(before, after) for before, after in pairs if before]
    return [each for each in found if each]


def _forgetting(part: SetReport, change: Comparison) -> Step:
    before, after = (percent(part.scores.arm(arm).wer) for arm in (change.a, change.b))
    said = {
        "better": "fine-tuning made general speech better, not worse",
        "worse": "fine-tuning made general speech worse: the adapter forgets",
        "unclear": "no certain forgetting",
    }[verdict(change)]
    text = (
        f"Before fine-tuning {before}, after it{split_arm(change.b)[1]} {after} "
        f"({points(change.wer_difference)} points, 95 % interval {point_interval(change.ci95)}): "
        f"{said}."
    )
    return Step(verdict(change), text)


def about_silence(part: SetReport) -> list[Step]:
    """Say what fine-tuning did to the words that are heard where nobody speaks."""
    return [_made_up(each) for each in silence_changes(part)]


def _made_up(change: SilenceChange) -> Step:
    before, after = change.before, change.after
    names = f"“{plain(before.arm)}” and “{plain(after.arm)}”"
    length = duration(60 * before.minutes)
    if not before.words + after.words:
        return Step("unclear", f"In {length} without speech, {names} hear no word.")
    said = {
        "better": "fine-tuning makes up fewer words",
        "worse": "fine-tuning makes up more words",
        "unclear": "no certain difference",
    }
    judged = _judge(change.ci95) if change.ci95 else "unclear"
    bounds = f", 95 % interval {a_minute_interval(change.ci95)}" if change.ci95 else ""
    more = f"{change.difference:+.1f}".replace("-", MINUS) + bounds
    rates = f"{before.per_minute:.1f} and {after.per_minute:.1f} words a minute"
    text = f"In {length} without speech, {names} hear {rates} ({more}): {said[judged]}."
    return Step(judged, text)


def a_minute_interval(bounds: tuple[float, float] | None) -> str:
    """Show an interval of words a minute, or of differences of them."""
    shown = None if bounds is None else f"{bounds[0]:.1f} to {bounds[1]:.1f}"
    return NONE if shown is None else shown.replace("-", MINUS)


def cost(report: Report) -> str | None:
    """Say what adapting and decoding cost."""
    arms = [arm.arm for arm in report.primary.scores.arms]
    named = {split_arm(arm)[1]: each for arm in arms if (each := report.adapter_of(arm))}
    speeds = [f"{plain(arm.arm)} {arm.rtf:.2f} s" for arm in report.primary.scores.arms if arm.rtf]
    window = "; with an adapter in the window it was trained with" if named else ""
    decoding = f"Decoding a second of audio takes: {', '.join(speeds)}{window}." if speeds else ""
    adapting = [_cost_of(run, adapter) for run, adapter in named.items()]
    return " ".join(filter(None, [*adapting, decoding])) or None


def _cost_of(run: str, adapter: Mapping[str, Any]) -> str:
    labels, training_s = number(adapter, "minutes_of_labels"), number(adapter, "training_s")
    octets = number(adapter, "size_bytes")
    bits = [
        f"{speech_length(labels)} of transcribed speech" if labels is not None else "",
        f"{duration(training_s)} of training" if training_s is not None else "",
        f"an adapter of {size(octets)}" if octets is not None else "",
    ]
    said = ", ".join(filter(None, bits))
    return f"Cost of adapting{run}: {said}." if said else ""
