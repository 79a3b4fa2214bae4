"""The search finds what is best within the bound, tries nothing twice, and goes on where it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asr_adapt.context.bias_file import BiasChoice, BiasFile, Measured, TuningRecord, Untold
from asr_adapt.context.tuning import BONUSES, Space, search
from asr_adapt.settings import PHRASE_ORDERS, PROMPT_STRATEGIES

RECORD = TuningRecord(
    model="toy", model_sha256="0", adapter_sha256="", strength=0.0, dev="dev", dev_sha256="1",
    utterances=2, bias_list="", examples="", normaliser="raw", bound=0.003,
    prompt_template="{phrases}.", prompt_budget_tokens=223, seed=1,
)  # fmt: skip


UNTOLD = Measured(0.5, 1.0, 0.3)


class Landscape:
    """WERs that a formula gives, with a count of how often each choice was asked for."""

    def __init__(self, greedy_bonus: float = 0.75, careless_from: float = 10.0) -> None:
        self.best_bonus = greedy_bonus
        self.careless_from = careless_from
        self.asked: list[BiasChoice | int] = []

    def untold(self, beam_size: int) -> Measured:
        """Return what telling nothing comes to."""
        self.asked.append(beam_size)
        return UNTOLD

    def __call__(self, choice: BiasChoice) -> Measured:
        """Return what a choice comes to."""
        self.asked.append(choice)
        bias = choice.bias
        wer = 0.4 - 0.05 * bias.prompts - 0.01 * (bias.order == "reversed")
        wer -= 0.02 * (bias.strategy == "sentence") * bias.prompts
        wer -= 0.01 * (choice.beam_size == 5)
        bonus = bias.boost.bonus if bias.boosts else 0.0
        wer += 0.1 * abs(bonus - self.best_bonus)
        return Measured(wer, 1.0, 0.31 if bonus >= self.careless_from else 0.302)


def find(
    space: Space,
    landscape: Landscape,
    keep: Callable[[BiasFile], None],
    earlier: BiasFile | None = None,
) -> BiasFile:
    """Search a landscape."""
    return search(space, RECORD, landscape, landscape.untold, keep, earlier)


def forget(_: BiasFile) -> None:
    """Keep nothing between trials."""


def test_the_lowest_point_of_a_simple_landscape_is_found() -> None:
    found = find(Space(), Landscape(), forget)
    assert (found.bias.mode, found.bias.boost.bonus) == ("both", 0.75)
    assert (found.bias.strategy, found.bias.order, found.beam_size) == ("sentence", "reversed", 5)
    assert found.finished
    assert found.untold == (Untold(1, UNTOLD), Untold(5, UNTOLD))


def test_nothing_is_measured_twice_and_every_trial_is_kept() -> None:
    landscape = Landscape()
    found = find(Space(), landscape, forget)
    assert len(landscape.asked) == len(set(landscape.asked)) == 2 + len(found.trial)


@pytest.mark.parametrize("limit", BONUSES)
def test_no_choice_beyond_the_bound_is_taken(limit: float) -> None:
    found = find(Space(), Landscape(1.5, careless_from=limit), forget)
    assert not found.bias.boosts or found.bias.boost.bonus < limit
    assert all(t.allowed == ((t.measured.unbiased_wer or 0) <= 0.303) for t in found.trial)


def test_a_choice_that_buys_wer_with_leaked_phrases_is_not_taken() -> None:
    def leaky(choice: BiasChoice) -> Measured:
        loud = choice.beam_size > 1
        return Measured(0.3 if loud else 0.4, 1.0, 0.2, leak_rate=0.31 if loud else 0.03)

    found = search(Space(), RECORD, leaky, lambda _: UNTOLD, forget)
    assert found.beam_size == 1
    assert all(t.allowed == (t.choice.beam_size == 1) for t in found.trial)


def test_where_nothing_is_within_the_bound_the_least_harm_is_taken() -> None:
    def harmful(choice: BiasChoice) -> Measured:
        harm = 0.1 + 0.01 * PROMPT_STRATEGIES.index(choice.bias.strategy)
        return Measured(0.5 - harm, 1.0, 0.3 + harm)

    found = search(
        Space(strategies=PROMPT_STRATEGIES[::-1]), RECORD, harmful, lambda _: UNTOLD, forget
    )
    assert found.bias.strategy == "glossary"
    assert not any(trial.allowed for trial in found.trial)


def test_what_beams_gain_by_themselves_pays_for_no_harm() -> None:
    """With five beams other words are better untold; telling takes half of that back."""
    untold = {1: Measured(0.5, 1.0, 0.30), 5: Measured(0.4, 1.0, 0.20)}

    def told(choice: BiasChoice) -> Measured:
        return {1: Measured(0.45, 1.0, 0.30), 5: Measured(0.35, 1.0, 0.25)}[choice.beam_size]

    found = search(Space(), RECORD, told, untold.__getitem__, forget)
    assert found.beam_size == 1
    assert all(trial.allowed == (trial.choice.beam_size == 1) for trial in found.trial)
    assert found.untold_with(5) == untold[5]


def test_equal_choices_cost_nothing_more() -> None:
    found = search(Space(), RECORD, lambda _: Measured(0.2, 1.0, 0.1), lambda _: UNTOLD, forget)
    assert (found.bias, found.beam_size) == (BiasChoice().bias, 1)


def test_every_state_names_the_best_so_far() -> None:
    states: list[BiasFile] = []
    last = find(Space(), Landscape(), states.append)
    assert [len(state.trial) for state in states] == list(range(1, len(last.trial) + 1))
    assert not any(state.finished for state in states)
    for state in states:
        best = min(trial.measured.wer for trial in state.trial)
        chosen = state.choice
        assert next(t.measured.wer for t in state.trial if t.choice == chosen) == best


@pytest.mark.parametrize("measured", [1, 5, 12])
def test_a_search_goes_on_from_what_is_there_and_loses_none_of_it(measured: int) -> None:
    states: list[BiasFile] = []
    whole = find(Space(), Landscape(), states.append)
    before = states[measured - 1]
    landscape, later = Landscape(), list[BiasFile]()
    assert find(Space(), landscape, later.append, before) == whole
    assert later == states[measured:]
    asked = [each for each in landscape.asked if isinstance(each, BiasChoice)]
    assert len(asked) == len(whole.trial) - measured
    nothing = Landscape()
    assert find(Space(), nothing, later.append, whole) == whole
    assert nothing.asked == []


def test_trials_that_another_space_does_not_hold_are_kept() -> None:
    whole = find(Space(), Landscape(), forget)
    states: list[BiasFile] = []
    narrow = Space(modes=("prompt",), orders=PHRASE_ORDERS[:1], beams=(1, 2))
    found = find(narrow, Landscape(), states.append, whole)
    for state in (*states, found):
        assert {trial.choice for trial in whole.trial} <= {trial.choice for trial in state.trial}
    assert (found.bias.mode, found.bias.order) == ("prompt", "given")


def test_only_what_is_asked_for_is_tried() -> None:
    space = Space(modes=("prompt",), orders=PHRASE_ORDERS[:1], beams=(1,))
    found = find(space, Landscape(), forget)
    assert {t.choice.bias.mode for t in found.trial} == {"prompt"}
    assert {t.choice.beam_size for t in found.trial} == {1}


def test_where_all_words_are_listed_every_choice_is_allowed() -> None:
    found = search(Space(), RECORD, lambda _: Measured(0.2, 1.0), lambda _: UNTOLD, forget)
    assert all(trial.allowed for trial in found.trial)
