"""The search finds what is best within the bound, tries nothing twice, and goes on where it was."""

from __future__ import annotations

import pytest

from asr_adapt.context.bias_file import BiasChoice, BiasFile, Measured, TuningRecord
from asr_adapt.context.tuning import BONUSES, Space, search
from asr_adapt.settings import PHRASE_ORDERS, PROMPT_STRATEGIES

RECORD = TuningRecord(
    model="toy", model_sha256="0", adapter_sha256="", strength=0.0, dev="dev", dev_sha256="1",
    utterances=2, bias_list="", examples="", normaliser="raw", bound=0.003,
    prompt_template="{phrases}.", prompt_budget_tokens=223, seed=1,
)  # fmt: skip


class Landscape:
    """WERs that a formula gives, with a count of how often each choice was asked for."""

    def __init__(self, greedy_bonus: float = 0.75, careless_from: float = 10.0) -> None:
        self.best_bonus = greedy_bonus
        self.careless_from = careless_from
        self.asked: list[BiasChoice | None] = []

    def __call__(self, choice: BiasChoice | None) -> Measured:
        """Return what a choice comes to."""
        self.asked.append(choice)
        if choice is None:
            return Measured(0.5, 1.0, 0.3)
        bias = choice.bias
        wer = 0.4 - 0.05 * bias.prompts - 0.01 * (bias.order == "reversed")
        wer -= 0.02 * (bias.strategy == "sentence") * bias.prompts
        wer -= 0.01 * (choice.beam_size == 5)
        bonus = bias.boost.bonus if bias.boosts else 0.0
        wer += 0.1 * abs(bonus - self.best_bonus)
        return Measured(wer, 1.0, 0.31 if bonus >= self.careless_from else 0.302)


def forget(_: BiasFile) -> None:
    """Keep nothing between trials."""


def test_the_lowest_point_of_a_simple_landscape_is_found() -> None:
    found = search(Space(), RECORD, Landscape(), forget)
    assert (found.bias.mode, found.bias.boost.bonus) == ("both", 0.75)
    assert (found.bias.strategy, found.bias.order, found.beam_size) == ("sentence", "reversed", 5)
    assert found.finished
    assert found.untold == Measured(0.5, 1.0, 0.3)


def test_nothing_is_measured_twice_and_every_trial_is_kept() -> None:
    landscape = Landscape()
    found = search(Space(), RECORD, landscape, forget)
    assert len(landscape.asked) == len(set(landscape.asked)) == 1 + len(found.trial)


@pytest.mark.parametrize("limit", BONUSES)
def test_no_choice_beyond_the_bound_is_taken(limit: float) -> None:
    found = search(Space(), RECORD, Landscape(1.5, careless_from=limit), forget)
    assert not found.bias.boosts or found.bias.boost.bonus < limit
    assert all(t.allowed == ((t.measured.unbiased_wer or 0) <= 0.303) for t in found.trial)


def test_a_choice_that_buys_wer_with_leaked_phrases_is_not_taken() -> None:
    def leaky(choice: BiasChoice | None) -> Measured:
        loud = choice is not None and choice.beam_size > 1
        return Measured(0.3 if loud else 0.4, 1.0, 0.2, leak_rate=0.31 if loud else 0.03)

    found = search(Space(), RECORD, leaky, forget)
    assert found.beam_size == 1
    assert all(t.allowed == (t.choice.beam_size == 1) for t in found.trial)


def test_where_nothing_is_within_the_bound_the_least_harm_is_taken() -> None:
    def harmful(choice: BiasChoice | None) -> Measured:
        harm = 0.0 if choice is None else 0.1 + 0.01 * PROMPT_STRATEGIES.index(choice.bias.strategy)
        return Measured(0.5 - harm, 1.0, 0.3 + harm)

    found = search(Space(strategies=PROMPT_STRATEGIES[::-1]), RECORD, harmful, forget)
    assert found.bias.strategy == "glossary"
    assert not any(trial.allowed for trial in found.trial)


def test_equal_choices_cost_nothing_more() -> None:
    found = search(Space(), RECORD, lambda _: Measured(0.2, 1.0, 0.1), forget)
    assert (found.bias, found.beam_size) == (BiasChoice().bias, 1)


def test_every_state_names_the_best_so_far() -> None:
    states: list[BiasFile] = []
    last = search(Space(), RECORD, Landscape(), states.append)
    assert [len(state.trial) for state in states] == list(range(1, len(last.trial) + 1))
    assert not any(state.finished for state in states)
    for state in states:
        best = min(trial.measured.wer for trial in state.trial)
        chosen = state.choice
        assert next(t.measured.wer for t in state.trial if t.choice == chosen) == best


@pytest.mark.parametrize("measured", [1, 5, 12])
def test_a_search_goes_on_from_what_is_there_and_loses_none_of_it(measured: int) -> None:
    states: list[BiasFile] = []
    whole = search(Space(), RECORD, Landscape(), states.append)
    before = states[measured - 1]
    landscape, later = Landscape(), list[BiasFile]()
    assert search(Space(), RECORD, landscape, later.append, before) == whole
    assert later == states[measured:]
    assert len(landscape.asked) == len(whole.trial) - measured
    nothing = Landscape()
    assert search(Space(), RECORD, nothing, later.append, whole) == whole
    assert nothing.asked == []


def test_trials_that_another_space_does_not_hold_are_kept() -> None:
    whole = search(Space(), RECORD, Landscape(), forget)
    states: list[BiasFile] = []
    narrow = Space(modes=("prompt",), orders=PHRASE_ORDERS[:1], beams=(1, 2))
    found = search(narrow, RECORD, Landscape(), states.append, whole)
    for state in (*states, found):
        assert {trial.choice for trial in whole.trial} <= {trial.choice for trial in state.trial}
    assert (found.bias.mode, found.bias.order) == ("prompt", "given")


def test_only_what_is_asked_for_is_tried() -> None:
    space = Space(modes=("prompt",), orders=PHRASE_ORDERS[:1], beams=(1,))
    found = search(space, RECORD, Landscape(), forget)
    assert {t.choice.bias.mode for t in found.trial} == {"prompt"}
    assert {t.choice.beam_size for t in found.trial} == {1}


def test_where_all_words_are_listed_every_choice_is_allowed() -> None:
    found = search(Space(), RECORD, lambda _: Measured(0.2, 1.0), forget)
    assert all(trial.allowed for trial in found.trial)
