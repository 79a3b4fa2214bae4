"""Boosted phrases: the bonus of a slow reference, and invariants on real weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.context.boosting import BoostPlan, PhraseBooster, plan_boost
from asr_adapt.context.phrase_tree import (
    TokenRules,
    build_tree,
    phrase_forms,
    spellings,
    token_rarity,
)
from asr_adapt.context.plans import phrase_boost
from asr_adapt.decode import Decoded, encode_sounds, generate
from asr_adapt.errors import BiasError
from asr_adapt.model import SpeechModel, load_base, prompted_start
from asr_adapt.scoring.alignment import score_words
from asr_adapt.settings import BoostSettings
from asr_adapt.words.text import get_normaliser
from tests.toys import CPU

SHIFT = 300
"""Added to bytes: tokens below 256 are the most frequent ones and worth nothing as first ones."""
CONTROL, START, VOCABULARY = SHIFT + 256, SHIFT + 258, SHIFT + 259
SPACE = SHIFT + ord(" ")
BOOST = BoostSettings(bonus=0.7, depth_scale=1.5)

SENTENCES = (
    "Weser Traffic, this is motor vessel Anna Lotte, good morning, over.",
    "Please repeat the last message.",
)
NAMES = ["Weser Traffic", "Anna Lotte", "Nordic Star", "Elbe Pilot"]
FRAMES = 256
"""Encoder frames that hold the sentences: decoding need not look at the silence behind them."""

FIRSTS = ("Rigel", "Amber", "Cobalt", "Loyal", "Noble", "Freya", "Pollux", "Hanse", "Saga", "Ivy")
SECONDS = ("Crown", "Haven", "Dolphin", "Daisy", "Titan", "Runner", "Merlin", "Isle", "Iris", "Oak")
NEVER_SAID = [f"{first} {second}" for first in FIRSTS for second in SECONDS]

Path = tuple[int, ...]


def spell(text: str) -> Path:
    """Return a text's tokens: its bytes."""
    return tuple(SHIFT + byte for byte in text.encode())


BYTES = TokenRules(lambda texts: [spell(text) for text in texts], START, CONTROL, SPACE)


def plan(
    shared: Sequence[str], own: Sequence[Sequence[str]] = (), boost: BoostSettings = BOOST
) -> BoostPlan:
    """Plan a boost on byte tokens; utterances are numbered."""
    told = {str(i): phrases for i, phrases in enumerate(own or [()])}
    return plan_boost(shared, told, BYTES, boost, VOCABULARY, CPU)


def step(booster: PhraseBooster, histories: Sequence[Path]) -> np.ndarray:
    """Return what the booster adds to the next token's scores, after histories of one length."""
    ids = torch.tensor([[START, *h] for h in histories])
    zeros = torch.zeros(len(histories), VOCABULARY)
    return booster(ids, zeros).numpy()


def whole_bonus(booster: PhraseBooster, text: Path) -> float:
    """Return the bonus of a text and its end, added up step by step."""
    path = (*text, CONTROL)
    return sum(float(step(booster, [path[:i]])[0, token]) for i, token in enumerate(path))


class Reference:
    """The formula of `asr_adapt.context.boosting`, over all suffixes with plain dicts."""

    def __init__(self, phrases: Sequence[str], boost: BoostSettings) -> None:
        self.boost = boost
        self.forms = {path for paths in phrase_forms(phrases, BYTES).values() for path in paths}
        self.prefixes = {form[:n] for form in self.forms for n in range(1, len(form) + 1)}

    def worth(self, path: Path) -> float:
        """c(d): what the counted tokens of a path are worth together."""
        counted = [token for token in path if token not in (START, SPACE)]
        if not counted:
            return 0.0
        first = math.log(counted[0] / 256) / math.log(CONTROL / 256)
        later = (self.boost.depth_scale + math.log(d) for d in range(2, len(counted) + 1))
        return self.boost.bonus * (first + sum(later))

    def finished(self, path: Path) -> float:
        """What the longest form that begins a path is worth."""
        return max((self.worth(f) for f in self.forms if path[: len(f)] == f), default=0.0)

    def held(self, history: Path) -> float:
        """The most that any suffix in the tree holds."""
        suffixes = [history[i:] for i in range(len(history))]
        known = [s for s in suffixes if s in self.prefixes]
        return max((self.worth(s) - self.finished(s) for s in known), default=0.0)

    def kept(self, history: Path) -> float:
        """The most that any form which ends here keeps."""
        suffixes = [history[i:] for i in range(len(history))]
        forms = [s for s in suffixes if s in self.forms]
        return max((self.worth(s) - self.finished(s[:-1]) for s in forms), default=0.0)


def slow_bonus(lists: Sequence[Reference], history: Path, token: int) -> float:
    """The bonus of one token: of several lists, the one that gives most counts."""
    before, after = (START, *history), (START, *history, token)
    held = max(one.held(after) for one in lists) - max(one.held(before) for one in lists)
    return held + max(one.kept(after) for one in lists)


WORDS = st.text("ab ", min_size=1, max_size=5).filter(str.strip)


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=3), st.text("abAB s", max_size=9))
def test_the_bonus_is_that_of_a_slow_reference(
    shared: list[str], own: list[str], text: str
) -> None:
    made = plan(shared, [own])
    booster = PhraseBooster(made.rows(list(made.lists)), 1, 1)
    lists = [Reference(shared, BOOST), Reference([p for p in own if p not in shared], BOOST)]
    history = spell(text)
    expected = [slow_bonus(lists, history, token) for token in range(VOCABULARY)]
    np.testing.assert_allclose(step(booster, [history])[0], expected, atol=2e-5)


@settings(max_examples=40)
@given(st.lists(WORDS, min_size=1, max_size=4), st.text("abAB s", max_size=9))
def test_a_text_that_ends_keeps_what_its_finished_phrases_keep(
    phrases: list[str], text: str
) -> None:
    made = plan(phrases)
    booster = PhraseBooster(made.rows(["0"]), 1, 1)
    reference = Reference(phrases, BOOST)
    path = spell(text)
    kept = sum(reference.kept((START, *path[: i + 1])) for i in range(len(path)))
    assert whole_bonus(booster, path) == pytest.approx(kept, abs=1e-4)


def test_a_phrase_is_found_however_it_is_written() -> None:
    assert set(spellings("vessel Rio 5")) == {
        *("vessel Rio 5", "vessel rio 5", "Vessel Rio 5"),
        *("vessel Rio five", "vessel rio five", "Vessel Rio Five"),
    }
    assert {"runway two seven", "Runway 27", "runway 2 7"} <= set(spellings("Runway two seven"))
    forms = phrase_forms(["Rio", "東京"], BYTES)
    assert spell(" rio") in forms["Rio"]
    assert (START, *spell("Rio")) in forms["Rio"], "bare at the start of the text"
    assert spell("Rio") not in forms["Rio"], "and not inside of words"
    assert spell("東京") in forms["東京"], "no spaces in this script"


def test_plurals_and_possessives_change_nothing_where_their_tokens_go_on() -> None:
    made = phrase_forms(["Rio"], BYTES)["Rio"]
    assert spell(" Rios") not in made, "the byte s follows the finished phrase"
    one_token = TokenRules(lambda texts: [[hash_of(text)] for text in texts], START, CONTROL, SPACE)
    whole_words = phrase_forms(["Rio"], one_token)["Rio"]
    assert (hash_of(" Rios"),) in whole_words


def hash_of(text: str) -> int:
    """Return a token for a whole word."""
    return sum(text.encode()) % CONTROL


def test_a_word_boundary_alone_is_worth_nothing() -> None:
    booster = PhraseBooster(plan(["Rio", "Ria"]).rows(["0"]), 1, 1)
    first = step(booster, [()])[0]
    assert first[SPACE] == 0
    (capital,) = spell("R")
    behind_a_space = step(booster, [spell("x ")])[0]
    assert behind_a_space[capital] > 0
    assert not behind_a_space[:capital].any()


def test_first_tokens_are_worth_what_they_are_rare() -> None:
    rarities = token_rarity(np.array([0, 256, 370, 11_220, 50_255, 50_256]), 50_256)
    assert rarities[0] == rarities[1] == 0
    assert rarities[-1] == 1
    assert (np.diff(rarities[1:]) > 0).all()
    boosted = step(PhraseBooster(plan(["Rio"]).rows(["0"]), 1, 1), [spell(" ")])[0]
    expected = [BOOST.bonus * token_rarity(np.array(spell(c)), CONTROL)[0] for c in "Rr"]
    assert [boosted[spell(c)[0]] for c in "Rr"] == pytest.approx(expected)


def test_control_tokens_in_a_phrase_are_refused() -> None:
    rules = TokenRules(lambda texts: [[CONTROL] for _ in texts], START, CONTROL, SPACE)
    with pytest.raises(BiasError, match="<end>"):
        build_tree([["a <end>"]], rules)


def test_rows_of_a_batch_and_their_beams_have_lists_of_their_own() -> None:
    lists = [["ab"], [], ["b", "ab"], ["ab"]]
    made = plan(["ba"], lists)
    together = PhraseBooster(made.rows(list(made.lists)), 1, 2)
    history = spell(" a")
    rows = step(together, [history] * 8)
    for i, own in enumerate(lists):
        alone = plan(["ba"], [own])
        single = step(PhraseBooster(alone.rows(list(alone.lists)), 1, 1), [history])
        np.testing.assert_array_equal(rows[2 * i : 2 * i + 2], np.repeat(single, 2, axis=0))


def test_a_shared_list_is_the_same_list_given_to_each_utterance_in_any_order() -> None:
    phrases = ["ab", "a b", "bab"]
    shared, own = plan(phrases), plan([], [phrases[::-1], phrases])
    boosters = [PhraseBooster(p.rows(list(p.lists)), 1, 1) for p in (shared, own)]
    for text in ("", " a", " a b", " ba", "bab"):
        one = step(boosters[0], [spell(text)])
        np.testing.assert_array_equal(step(boosters[1], [spell(text)] * 2), np.repeat(one, 2, 0))


def test_empty_lists_change_nothing_and_prompts_are_not_matched() -> None:
    made = plan([], [[], ["ab"]])
    scores = torch.randn(2, VOCABULARY, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[*spell(" ab"), START]] * 2)
    booster = PhraseBooster(made.rows(list(made.lists)), ids.shape[1], 1)
    changed = booster(ids, scores)
    assert torch.equal(changed[0], scores[0])
    assert torch.equal(changed[1] != scores[1], changed[1] > scores[1])
    assert set(torch.nonzero(changed[1] != scores[1]).flatten().tolist()) == {*spell("aA")}


@pytest.fixture(scope="module")
def tiny() -> SpeechModel:
    """Whisper tiny.en."""
    if package_files(PACKAGES["whisper-tiny.en"]) is None:
        pytest.skip("whisper-tiny.en is not installed")
    return load_base(resolve_weights("whisper-tiny.en"), CPU)


@pytest.fixture(scope="module")
def heard(tiny: SpeechModel) -> torch.Tensor:
    """Encoder outputs of the sentences, spoken by a synthetic voice (B, F, width)."""
    hibari = pytest.importorskip("hibari")
    voice = hibari.Hibari()
    sounds = [resample_poly(voice(text), 2, 3).astype(np.float32) for text in SENTENCES]
    return encode_sounds(tiny, sounds, 1500)[:, :FRAMES]


def decode(
    model: SpeechModel,
    hidden: torch.Tensor,
    beams: int,
    shared: Sequence[str] = (),
    own: Sequence[str] = (),
    bonus: float = BoostSettings().bonus,
) -> list[Decoded]:
    """Decode with a shared list and one given to every row."""
    ids = [str(i) for i in range(len(hidden))]
    boost = phrase_boost(model, shared, dict.fromkeys(ids, own), BoostSettings(bonus))
    starts = [prompted_start(model, (), "en")] * len(hidden)
    return generate(
        model, hidden, starts, [40] * len(ids), beams, boost.rows(ids) if boost else None
    )


WAYS = pytest.mark.parametrize(
    ("beams", "rows"), [(1, 1), (1, 8), (5, 1), (5, 8)], ids=["greedy", "greedy8", "beam", "beam8"]
)


@pytest.mark.weights
@WAYS
def test_lists_that_cannot_be_said_change_no_token(
    tiny: SpeechModel, heard: torch.Tensor, beams: int, rows: int
) -> None:
    hidden = heard.repeat(4, 1, 1)[:rows]
    plain = decode(tiny, hidden, beams)
    told = decode(tiny, hidden, beams, shared=["აქართველი", "თბილისი", "東京湾", "横浜港"])
    assert [d.text for d in told] == [d.text for d in plain]
    for one, other in zip(told, plain, strict=True):
        assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-3)


@pytest.mark.weights
@WAYS
def test_a_hundred_names_never_said_cost_no_word(
    tiny: SpeechModel, heard: torch.Tensor, beams: int, rows: int
) -> None:
    """The bar is 0.3 % of the words; of the few here, that is none."""
    assert len(NEVER_SAID) == 100
    said = (SENTENCES * 4)[:rows]
    hidden = heard.repeat(4, 1, 1)[:rows]
    normalise = get_normaliser("spoken-en")

    def errors(texts: Sequence[Decoded]) -> int:
        pairs = zip(said, texts, strict=True)
        return sum(score_words(normalise(s), normalise(t.text)).errors for s, t in pairs)

    told = decode(tiny, hidden, beams, shared=NEVER_SAID)
    assert errors(told) <= errors(decode(tiny, hidden, beams))


@pytest.mark.weights
@WAYS
def test_the_order_of_a_list_and_who_is_told_it_change_nothing(
    tiny: SpeechModel, heard: torch.Tensor, beams: int, rows: int
) -> None:
    hidden = heard.repeat(4, 1, 1)[:rows]
    told = decode(tiny, hidden, beams, shared=NAMES)
    assert told == decode(tiny, hidden, beams, own=NAMES[::-1])


@pytest.mark.weights
def test_an_empty_list_is_no_list(tiny: SpeechModel, heard: torch.Tensor) -> None:
    assert phrase_boost(tiny, (), {"0": ()}, BoostSettings()) is None
    assert phrase_boost(tiny, NAMES, {"0": ()}, BoostSettings(bonus=0.0)) is None
    boost = phrase_boost(tiny, (), {"0": (), "1": NAMES}, BoostSettings())
    assert boost
    starts = [prompted_start(tiny, (), "en")] * 2
    with_a_neighbour = generate(tiny, heard[:2], starts, [40] * 2, 1, boost.rows(["0", "1"]))
    assert with_a_neighbour[0] == generate(tiny, heard[:2], starts, [40] * 2, 1)[0]


@pytest.mark.weights
@pytest.mark.parametrize("beams", [1, 5], ids=["greedy", "beam"])
def test_a_boosted_spelling_is_written_where_it_sounds_alike(
    tiny: SpeechModel, heard: torch.Tensor, beams: int
) -> None:
    """The station's name is misread as "Vaser traffic" by itself."""
    assert "Vazer" not in decode(tiny, heard[:1], beams)[0].text
    told = decode(tiny, heard[:1], beams, shared=["Vazer Traffic"], bonus=1.5)[0].text
    assert told.startswith("Vazer Traffic")


@pytest.mark.weights
def test_a_name_that_begins_with_what_was_understood_is_found_by_beams(
    tiny: SpeechModel, heard: torch.Tensor
) -> None:
    assert "Anna Lotte" not in decode(tiny, heard[:1], 5)[0].text
    told = decode(tiny, heard[:1], 5, shared=["motor vessel Anna Lotte"], bonus=1.5)[0].text
    assert "motor vessel Anna Lotte" in told
