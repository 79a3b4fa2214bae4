"""The search for the best way to tell what is known: coordinate by coordinate, measured on dev.

Floor 4. The search itself knows nothing of speech: it asks a function what a choice comes to, keeps
what lowers the WER within the bound, and hands on every trial, so that a stopped search goes on
with the trials it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from asr_adapt.context.bias_file import (
    BiasChoice,
    BiasFile,
    Measured,
    Trial,
    TuningRecord,
    Untold,
)
from asr_adapt.scoring.terms import LEAKS_PER_UTTERANCE
from asr_adapt.settings import (
    BIAS_MODES,
    PHRASE_ORDERS,
    PROMPT_STRATEGIES,
    BiasSettings,
    BoostSettings,
)

BOUND = 0.003
"""How much the WER of words outside the list may rise: 0.3 points, as a user would not notice."""

BONUSES = (0.25, 0.5, 0.75, 1.0, 1.5)
"""In nats: below, boosting changes next to nothing; 1.5 does harm already (docs/LOG.md)."""
CANDIDATES = (20, 40)
"""Phrases that retrieval tells: 60 % of misread names are among the first 20, 67 % of 50."""
BEAMS = (1, 5)
"""Greedy search, and what Whisper's own program and faster-whisper take unless told otherwise."""
ROUNDS = 3
"""Passes over all settings at most; a search ends earlier when one changes nothing."""

Measure = Callable[[BiasChoice], Measured]
"""What a choice comes to on dev."""

MeasureUntold = Callable[[int], Measured]
"""What telling nothing comes to on dev, with so many beams."""

Variants = Callable[[BiasChoice], Sequence[BiasChoice]]
"""One setting in all its values, the others as they are."""

Keep = Callable[[BiasFile], None]
"""Is given the state of the search after each trial that was measured."""


@dataclass(frozen=True, slots=True)
class Space:
    """What is tried.

    Attributes:
        modes: of `BIAS_MODES`; ``retrieve`` pays a first pass.
        strategies: ways to write a prompt.
        orders: of phrases in the prompt.
        bonuses: of boosted phrases, in nats.
        candidates: how many phrases are retrieved.
        beams: beam sizes.
    """

    modes: Sequence[str] = BIAS_MODES
    strategies: Sequence[str] = PROMPT_STRATEGIES
    orders: Sequence[str] = PHRASE_ORDERS
    bonuses: Sequence[float] = BONUSES
    candidates: Sequence[int] = CANDIDATES
    beams: Sequence[int] = BEAMS

    def settings(self) -> tuple[Variants, ...]:
        """Return the settings in the order they are tried: what changes most comes first."""
        return (
            lambda c: [with_bias(c, replace(c.bias, mode=m)) for m in self.modes],
            self._bonuses,
            self._candidates,
            lambda c: self._prompts(c, [replace(c.bias, strategy=s) for s in self.strategies]),
            lambda c: self._prompts(c, [replace(c.bias, order=o) for o in self.orders]),
            lambda c: [replace(c, beam_size=n) for n in self.beams],
        )

    def _bonuses(self, choice: BiasChoice) -> list[BiasChoice]:
        if not choice.bias.boosts:
            return []
        scale = choice.bias.boost.depth_scale
        boosts = [BoostSettings(bonus, scale) for bonus in self.bonuses]
        return [with_bias(choice, replace(choice.bias, boost=boost)) for boost in boosts]

    def _candidates(self, choice: BiasChoice) -> list[BiasChoice]:
        if not choice.bias.retrieves:
            return []
        return [with_bias(choice, replace(choice.bias, candidates=n)) for n in self.candidates]

    def _prompts(self, choice: BiasChoice, told: Sequence[BiasSettings]) -> list[BiasChoice]:
        return [with_bias(choice, bias) for bias in told] if choice.bias.prompts else []


def strategies_to_try(examples: bool) -> tuple[str, ...]:
    """Return the prompt strategies that make sense, by whether there are transcripts to show."""
    return tuple(name for name in PROMPT_STRATEGIES if examples or name != "few-shot")


def with_bias(choice: BiasChoice, bias: BiasSettings) -> BiasChoice:
    """Return a choice with other bias settings."""
    return replace(choice, bias=bias)


def search(
    space: Space,
    record: TuningRecord,
    measure: Measure,
    measure_untold: MeasureUntold,
    keep: Keep,
    earlier: BiasFile | None = None,
) -> BiasFile:
    """Search coordinate by coordinate from the default settings.

    Iterative refinement: one setting is changed at a time, the best value stays, and rounds go on
    until one changes nothing (coordinate descent, Wright 2015,
    https://doi.org/10.1007/s10107-015-0892-3). The objective is the WER; a choice whose unbiased
    WER is more than ``record.bound`` above that of telling nothing with as many beams, or that
    leaks more than `LEAKS_PER_UTTERANCE`, is not allowed, and loses against any that is. Equal
    ones go to the one tried first, so that nothing is paid for no gain.

    Args:
        space: what is tried.
        record: what is tuned on what; says the bound.
        measure: decodes dev; is asked for each choice once.
        measure_untold: decodes dev told nothing; is asked for each beam size once.
        keep: is given the trials so far after each that was measured.
        earlier: what a search with the same record measured before, which is not measured again;
            its trials stay, those that ``space`` does not hold too.

    Returns:
        The best choice and all trials. Where telling nothing is better than every choice allowed,
        the best of them is returned all the same: ``untold`` shows it.
    """
    untold = {each.beam_size: each.measured for each in earlier.untold} if earlier else {}
    trials = {trial.choice: trial for trial in earlier.trial} if earlier else {}

    def state(best: BiasChoice, finished: bool) -> BiasFile:
        plain = tuple(Untold(beam_size, measured) for beam_size, measured in untold.items())
        found = tuple(trials.values())
        return BiasFile(best.bias, best.beam_size, record, plain, found, finished)

    def try_out(choice: BiasChoice) -> Trial:
        if choice not in trials:
            plain = untold.get(choice.beam_size) or measure_untold(choice.beam_size)
            untold[choice.beam_size] = plain
            measured = measure(choice)
            trials[choice] = Trial(choice, measured, within(measured, plain, record.bound))
            keep(state(better(trials.values()).choice, finished=False))
        return trials[choice]

    best = try_out(BiasChoice())
    for _ in range(ROUNDS):
        before = best
        for variants in space.settings():
            best = better([best, *map(try_out, variants(best.choice))])
        if best == before:
            break
    return state(best.choice, finished=True)


def within(measured: Measured, untold: Measured, bound: float) -> bool:
    """Return whether words outside the list suffer no more than the bound, and few phrases leak."""
    if measured.leak_rate > LEAKS_PER_UTTERANCE:
        return False
    if measured.unbiased_wer is None or untold.unbiased_wer is None:
        return True
    return measured.unbiased_wer <= untold.unbiased_wer + bound + 1e-9  # rates are quotients


def better(trials: Iterable[Trial]) -> Trial:
    """Return the best of some trials: allowed, then lowest WER; of equals the first."""

    def rank(trial: Trial) -> tuple[bool, float]:
        seen = trial.measured
        return not trial.allowed, seen.wer if trial.allowed else seen.unbiased_wer or 0.0

    return min(trials, key=rank)
