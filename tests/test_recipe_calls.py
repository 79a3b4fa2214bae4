"""The recipes of radio calls: tables are data under review, calls are drawn from them."""

from __future__ import annotations

import difflib
import importlib.util
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asr_adapt.manifest import read_manifest
from asr_adapt.records import Utterance
from asr_adapt.splits import check_leaks
from asr_adapt.spoken_calls import data
from asr_adapt.spoken_calls.calls import SPLITS, Call, Lexicon, make_call, make_calls, splice
from asr_adapt.spoken_calls.data import Domain, Radio, Size
from asr_adapt.voices import VOICES
from asr_adapt.words.text import get_normaliser

RECIPES = Path(__file__).parents[1] / "recipes"


def load_domain(name: str) -> Domain:
    """Import a recipe's prepare.py as a run of the recipe does: from its folder."""
    folder = RECIPES / name
    spec = importlib.util.spec_from_file_location(f"{name}_prepare", folder / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    domain: Domain = module.DOMAIN
    return domain


@pytest.fixture(scope="module", params=["atc", "dispatch", "maritime"])
def domain(request: pytest.FixtureRequest) -> Domain:
    return load_domain(request.param)


@pytest.fixture(scope="module")
def lexicons(domain: Domain) -> dict[str, Lexicon]:
    return domain.read_lexicons(domain.folder)


def slots_as_words(text: str) -> list[str]:
    """A frame as lower-case words; what stands in a slot does not tell frames apart."""
    return re.findall(r"\{?\w[\w'-]*\}?", re.sub(r"\{(other_)?", "{", text.lower()))


def made(domain: Domain, lexicons: dict[str, Lexicon], size: str) -> dict[str, list[Call]]:
    """All calls of a size, by split."""
    return {
        split: make_calls(lexicons[split], domain.grammar, getattr(domain.sizes[size], split), 1)
        for split in SPLITS
    }


def rows(calls: list[Call], split: str) -> list[Utterance]:
    """Calls as utterances, as far as the leak check looks at them."""
    return [
        Utterance(f"{split}-{i}", Path(f"{split}-{i}.wav"), 0.0, 1.0, call.reference,
                  context=call.context)
        for i, call in enumerate(calls)
    ]  # fmt: skip


def test_frames_are_many_and_every_topic_is_on_every_side(lexicons: dict[str, Lexicon]) -> None:
    frames = [frame for lexicon in lexicons.values() for frame in lexicon.frames]
    assert len(frames) >= 80
    assert len({frame.frame_id for frame in frames}) == len({f.text for f in frames}) == len(frames)
    topics = {split: {f.topic for f in lexicon.frames} for split, lexicon in lexicons.items()}
    assert topics["train"] == topics["dev"] == topics["test"]
    assert len(lexicons["test"].frames) >= min(60, 0.12 * len(frames))


def test_no_frame_of_one_split_is_nearly_one_of_another(lexicons: dict[str, Lexicon]) -> None:
    for mine, theirs in itertools.combinations(SPLITS, 2):
        for a, b in itertools.product(lexicons[mine].frames, lexicons[theirs].frames):
            matcher = difflib.SequenceMatcher(None, slots_as_words(a.text), slots_as_words(b.text))
            assert matcher.ratio() < 0.8, f"{a.frame_id} {a.text!r} ~ {b.frame_id} {b.text!r}"


def test_every_frame_fills_to_clean_text(domain: Domain, lexicons: dict[str, Lexicon]) -> None:
    """No slot is left, no digit is written, no character stands there that is not said."""
    for lexicon in lexicons.values():
        for index, frame in enumerate(lexicon.frames):
            for seed in range(5):
                rng = np.random.default_rng((seed, index))
                call = make_call(frame, lexicon, domain.grammar, rng)
                assert re.fullmatch(r"[A-Z][A-Za-z',.? -]*[.?]", call.reference), call.reference
                assert re.fullmatch(r"[A-Za-z][A-Za-z',.? -]*[.?]", call.spoken), call.spoken
                assert 2 <= len(call.reference.split()) <= 40, call.reference
                digits = {"tree", "fife", "niner"} - set(frame.text.split())
                assert not digits & set(call.reference.split())


def test_context_holds_what_is_said_and_others(
    domain: Domain, lexicons: dict[str, Lexicon]
) -> None:
    low, high = domain.grammar.context_size
    first = Counter[bool]()
    for lexicon in lexicons.values():
        own = {n.text for kind in domain.grammar.told for n in lexicon.names[kind]}
        for call in make_calls(lexicon, domain.grammar, 300, 1):
            assert set(call.names) <= set(call.context) <= own
            assert low <= len(call.context) <= high
            assert len(set(call.context)) == len(call.context)
            assert all(name in call.reference for name in call.names)
            if call.names:
                first[call.context[0] in call.names] += 1
    assert 0.03 < first[True] / first.total() < 0.4


@pytest.mark.parametrize("size", ["demo", "full"])
def test_what_the_test_set_tells_was_never_said_in_training(
    domain: Domain, lexicons: dict[str, Lexicon], size: str
) -> None:
    calls = made(domain, lexicons, size)
    trained = [*rows(calls["train"], "train"), *rows(calls["dev"], "dev")]
    known = lexicons["train"].known_names()
    check_leaks(trained, rows(calls["test"], "test"), known_phrases=known)
    unseen = set(lexicons["test"].unheard_names())
    with_unseen = sum(bool(unseen & set(call.names)) for call in calls["test"])
    assert with_unseen > 0.4 * len(calls["test"])


def test_calls_are_the_same_for_a_seed_and_a_larger_count_adds_to_them(
    domain: Domain, lexicons: dict[str, Lexicon]
) -> None:
    lexicon = lexicons["train"]
    few, many, other = (
        make_calls(lexicon, domain.grammar, count, seed)
        for count, seed in ((40, 7), (1200, 7), (40, 8))
    )
    assert few == many[:40]
    assert few != other
    used = Counter(call.frame.frame_id for call in many)
    assert set(used) == {frame.frame_id for frame in lexicon.frames}
    assert max(used.values()) - min(used.values()) <= 1


def test_spliced_calls_are_clauses_of_two_frames(
    domain: Domain, lexicons: dict[str, Lexicon]
) -> None:
    frames = lexicons["train"].frames
    rng = np.random.default_rng(3)
    for first, second in itertools.pairwise(frames):
        spliced = splice(first, second, rng)
        words = slots_as_words(spliced.text)
        begins, ends = slots_as_words(first.text), slots_as_words(second.text)
        assert any(
            words == begins[:cut] + ends[-left:]
            for cut in range(1, len(begins) + 1)
            for left in [len(words) - cut]
            if 0 < left <= len(ends)
        ), spliced.text
        call = make_call(spliced, lexicons["train"], domain.grammar, rng)
        assert re.fullmatch(r"[A-Z][A-Za-z',.? -]*[.?]", call.reference), call.reference


def test_only_the_asked_share_of_calls_is_spliced(
    domain: Domain, lexicons: dict[str, Lexicon]
) -> None:
    calls = make_calls(lexicons["train"], domain.grammar, 600, 1, 0.3)
    spliced = sum("+" in call.frame.frame_id for call in calls)
    assert spliced / 600 == pytest.approx(0.3, abs=0.08)  # four standard deviations
    whole = make_calls(lexicons["train"], domain.grammar, 600, 1)
    assert not any("+" in call.frame.frame_id for call in whole)


def test_names_are_told_apart_once_normalised(domain: Domain, lexicons: dict[str, Lexicon]) -> None:
    """Scores compare normalised words: two names must not become one."""
    normalise = get_normaliser("spoken-en")
    for lexicon in lexicons.values():
        names = [n.text for kind in domain.grammar.told for n in lexicon.names[kind]]
        forms = Counter(normalise(name) for name in set(names))
        assert not [form for form, count in forms.items() if count > 1]


def test_voices_are_of_one_split_only_and_known(domain: Domain) -> None:
    sides = {split: set(voices) for split, voices in domain.voices.items()}
    assert set().union(*sides.values()) <= set(VOICES)
    for mine, theirs in itertools.combinations(sides, 2):
        assert not sides[mine] & sides[theirs]
    styles = {
        split: {(VOICES[name].engine, style) for name in names for style, _ in VOICES[name].styles}
        for split, names in sides.items()
    }
    assert not styles["test"] & (styles["train"] | styles["dev"])


def test_calls_are_planned_the_same_for_a_seed(
    domain: Domain, lexicons: dict[str, Lexicon]
) -> None:
    calls = make_calls(lexicons["test"], domain.grammar, 200, 1)
    size = domain.sizes["demo"]
    plans = data.plan_calls(domain, "test", calls, size, 1)
    assert plans == data.plan_calls(domain, "test", calls, size, 1)
    assert len({plan.request.path for plan in plans}) == 200
    voices = Counter(plan.request.voice.name for plan in plans)
    weights = domain.voices["test"]
    for voice, weight in weights.items():
        assert voices[voice] == pytest.approx(200 * weight / sum(weights.values()), abs=25)
    assert {plan.request.pitch_semitones for plan in plans} == {-1, 0, 1}


def test_call_signs_of_an_operator_do_not_begin_one_another() -> None:
    names = load_domain("atc").read_lexicons(RECIPES / "atc")
    texts = sorted({n.text for lexicon in names.values() for n in lexicon.names["callsign"]})
    for one, other in itertools.pairwise(texts):  # sorted: a prefix stands right before
        assert not other.startswith(f"{one} "), (one, other)
    operators = {
        split: {" ".join(n.text.split()[:1]) for n in lexicon.names["callsign"]}
        for split, lexicon in names.items()
    }
    assert operators["test"] - operators["train"]


@pytest.mark.slow
@pytest.mark.debian
@pytest.mark.parametrize("name", ["atc", "dispatch"])
def test_preparing_makes_every_set_once_and_again_the_same(
    name: str, tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("debian-packages")
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(cache))
    real = load_domain(name)
    small = {
        "demo": Size(4, 2, 3, 3, 0, 2, 3, 3, 2, 1, 1, 3, 2, 3, kokoro_train=0, kokoro_scored=0)
    }
    domain = Domain(
        real.name, real.version, real.folder, real.grammar, real.read_lexicons, real.voices, small,
        real.radio, real.other_radios,
    )  # fmt: skip
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        data.prepare_domain(domain, cache, folder, "demo", 3)
    one, two = (dict(contents(folder)) for folder in folders)
    assert one == two
    sets = {path.stem: read_manifest(path) for path in folders[0].glob("*.jsonl")}
    spoken = [row for row in sets["train"] if row.reference]
    assert {row.tags["channel"] for row in spoken} == {"clean"}
    assert len(sets["train"]) - len(spoken) == 3
    assert {row.tags["channel"] for row in sets["general"]} == {"none"}
    radios: dict[str, Radio] = {"test": real.radio, "real": real.radio, **real.other_radios}
    radios["silence"] = real.radio
    for set_name, radio in radios.items():
        assert {row.tags["channel"] for row in sets[set_name]} == {radio.channel}
    heard = [*sets["train"], *sets["general"], *sets["dev"]]
    places = (folders[0] / "places.txt").read_text().splitlines()
    for test in radios:
        check_leaks(heard, sets[test], known_phrases=places)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a folder by its name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()
