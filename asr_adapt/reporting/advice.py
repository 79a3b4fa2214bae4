"""What to do next, in words, from the mix of errors that the best arm still makes.

Pure: `Signs` in (counts only, gathered by `asr_adapt.reporting.signs`), sentences out. Every
threshold has a name and a reason; too few errors give no advice on their mix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asr_adapt.records import ErrorCounts
from asr_adapt.scoring.score_records import NO_COUNTS
from asr_adapt.scoring.terms import LEAKS_PER_UTTERANCE

FEWEST_ERRORS = 30
"""With fewer errors a share of them is unsure by more than 9 points (standard error of a share of
one half, sqrt(0.25 / 30)): too little to read a pattern from."""

MANY_DELETIONS = 0.4
"""Errors on noisy speech are mostly words heard as others; where two in five are words left out,
text is missing rather than misheard."""

MANY_INSERTIONS = 0.25
"""Added words are rarely more than a fifth of the errors unless something else is transcribed."""

MANY_ON_PHRASES = 0.2
"""A fifth of all errors on listed phrases: mending them is worth a step of its own."""

MANY_OTHER_WORDS = 0.5
"""Half of all errors are other words than listed ones, heard as something else."""

LOOPS_SHARE = 0.02
"""One utterance in fifty: a loop that is rarer is one bad recording."""

SILENCE_PER_MINUTE = 1.0
"""Words heard in a minute in which nobody spoke; a radio watch has hours of them."""

NOISE_RATIO = 1.5
"""The noisiest slice has half as many errors again as the clearest one."""


@dataclass(frozen=True, slots=True)
class Extremes:
    """Error rates of the noisiest and of the clearest slice, as fractions, with their labels."""

    quantity: str
    noisiest: str
    noisiest_wer: float
    clearest: str
    clearest_wer: float


@dataclass(frozen=True, slots=True)
class Signs:
    """What advice is read from: counts of the best arm on the first set, and what was found beside.

    Attributes:
        words: all word errors.
        on_phrases: the part of them that falls on listed phrases.
        utterances: how many were scored.
        phrases_said: how often a listed phrase was said.
        phrases_found: how often it was heard.
        listed: whether any phrases were listed.
        told: whether any arm was told them.
        tuned: whether any arm was fine-tuned.
        looping: utterances flagged as loops.
        empty: utterances flagged as empty although somebody spoke.
        leaks: listed phrases heard where nothing like them was said.
        dropped: listed phrases that did not fit into prompts.
        failed: utterances that could not be decoded.
        silence_words: words heard where nobody spoke.
        silence_s: length of that.
        noise: error rates at both ends of the noise; None where noise is unknown.
        forgotten: by how much fine-tuning made general speech worse, as a fraction; None unless
            its interval excludes zero.
        labels: what the learning curve says more labels would bring; None without a curve.
    """

    words: ErrorCounts
    on_phrases: ErrorCounts = NO_COUNTS
    utterances: int = 0
    phrases_said: int = 0
    phrases_found: int = 0
    listed: bool = False
    told: bool = False
    tuned: bool = False
    looping: int = 0
    empty: int = 0
    leaks: int = 0
    dropped: int = 0
    failed: int = 0
    silence_words: int = 0
    silence_s: float = 0.0
    noise: Extremes | None = None
    forgotten: float | None = None
    labels: str | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do: ``about`` names the rule, ``errors`` how many errors it is about."""

    about: str
    text: str
    errors: int = 0


def advise(signs: Signs) -> list[Advice]:
    """List what to do next: first what most errors are about, then what was found beside them."""
    enough = signs.words.errors >= FEWEST_ERRORS
    mix = [rule(signs) for rule in _MIX] if enough else [_few(signs)]
    ranked = sorted((each for each in mix if each), key=lambda each: -each.errors)
    beside = (rule(signs) for rule in _BESIDE)
    return ranked + [each for each in beside if each]


def _few(signs: Signs) -> Advice:
    count = signs.words.errors
    return Advice(
        "few errors",
        f"Only {count} error{'s' * (count != 1)} left: too few to read a pattern from. Listen to "
        "each, or test on more speech.",
    )


def _deletions(signs: Signs) -> Advice | None:
    count = signs.words.deletions
    if _share(count, signs) < MANY_DELETIONS:
        return None
    empty = f" {signs.empty} utterances came out empty." if signs.empty else ""
    return Advice(
        "deletions",
        f"{_percent(_share(count, signs))} of the errors are words left out: a weak signal, or "
        f"sound that starts late or ends early.{empty} Listen to the worst. Where the words cannot "
        "be heard, mend the recording; where they can, label more calls like these.",
        count,
    )


def _insertions(signs: Signs) -> Advice | None:
    count = signs.words.insertions
    if _share(count, signs) < MANY_INSERTIONS:
        return None
    return Advice(
        "insertions",
        f"{_percent(_share(count, signs))} of the errors are words that nobody said: noise, "
        "crosstalk or loops. Look at what is flagged, give training some noise with empty text, or "
        "cut away what is not speech before decoding, as asr-adapt transcribe does.",
        count,
    )


def _phrases(signs: Signs) -> Advice | None:
    count = signs.on_phrases.errors
    if _share(count, signs) < MANY_ON_PHRASES:
        return None
    missed = signs.phrases_said - signs.phrases_found
    head = (
        f"{_percent(_share(count, signs))} of the errors fall on listed phrases; {missed} of "
        f"{signs.phrases_said} were missed."
    )
    if not signs.told:
        return Advice("phrases not told", f"{head} Tell it the list: --bias, or context.", count)
    todo = "asr-adapt tune-bias looks for a better way to tell"
    return Advice(
        "phrases told",
        f"{head} {todo}; phrases that are never right need labelled calls that say them.",
        count,
    )


def _other_words(signs: Signs) -> Advice | None:
    count = signs.words.substitutions - signs.on_phrases.substitutions
    if _share(count, signs) < MANY_OTHER_WORDS:
        return None
    where = "words outside the list" if signs.listed else "words"
    head = f"{_percent(_share(count, signs))} of the errors are {where} heard as other words."
    name = "If many are names, list them with --bias." if not signs.listed else ""
    todo = (
        "More labelled calls of this kind are what helps here"
        if signs.tuned
        else "Fine-tuning on labelled calls of this kind is what helps here"
    )
    return Advice("other words", " ".join(filter(None, [head, name, f"{todo}."])), count)


def _loops(signs: Signs) -> Advice | None:
    if not signs.utterances or signs.looping / signs.utterances < LOOPS_SHARE:
        return None
    return Advice(
        "loops",
        f"{signs.looping} of {signs.utterances} utterances loop: the same words again and again. "
        "They are mostly long, quiet or empty recordings: cut them at silence, or leave them to "
        "a person.",
    )


def _noise(signs: Signs) -> Advice | None:
    each = signs.noise
    if each is None or each.noisiest_wer < NOISE_RATIO * max(each.clearest_wer, 0.01):
        return None
    return Advice(
        "noise",
        f"Noise decides much: {_percent(each.noisiest_wer)} of words wrong at {each.noisiest}, "
        f"{_percent(each.clearest_wer)} at {each.clearest} ({each.quantity}). Label the noisy ones "
        "first, or better the reception.",
    )


def _silence(signs: Signs) -> Advice | None:
    minutes = signs.silence_s / 60
    if not minutes or signs.silence_words / minutes < SILENCE_PER_MINUTE:
        return None
    return Advice(
        "silence",
        f"It hears {signs.silence_words / minutes:.1f} words a minute where nobody speaks: cut "
        "away what is not speech before decoding; asr-adapt transcribe does so.",
    )


def _leaks(signs: Signs) -> Advice | None:
    if not signs.utterances or signs.leaks / signs.utterances < LEAKS_PER_UTTERANCE:
        return None
    return Advice(
        "leaks",
        f"{signs.leaks} times in {signs.utterances} utterances it heard a listed phrase where "
        "nothing like it was said. List only what can be said at the time, or let asr-adapt "
        "tune-bias find a weaker way to tell.",
    )


def _dropped(signs: Signs) -> Advice | None:
    if not signs.dropped:
        return None
    return Advice(
        "dropped",
        f"{signs.dropped} times a listed phrase did not fit into the prompt: --bias-mode retrieve "
        "tells only those that a first pass found likely.",
    )


def _forgetting(signs: Signs) -> Advice | None:
    if signs.forgotten is None:
        return None
    return Advice(
        "forgetting",
        f"Fine-tuning made general speech worse by {100 * signs.forgotten:.1f} points. If you "
        "decode such speech too, train with more general speech (finetune --general) or apply less "
        "of the adapter (eval --strength).",
    )


def _failed(signs: Signs) -> Advice | None:
    if not signs.failed:
        return None
    return Advice("failed", f"{signs.failed} utterances could not be decoded: see why, below.")


def _labels(signs: Signs) -> Advice | None:
    return Advice("labels", signs.labels) if signs.labels else None


_Rule = Callable[[Signs], Advice | None]
_MIX: tuple[_Rule, ...] = (_deletions, _insertions, _phrases, _other_words)
_BESIDE: tuple[_Rule, ...] = (
    _labels,
    _noise,
    _loops,
    _silence,
    _leaks,
    _dropped,
    _forgetting,
    _failed,
)


def _share(count: int, signs: Signs) -> float:
    return count / signs.words.errors if signs.words.errors else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
