"""The maritime recipe: its tables are data under review, its calls are drawn from them."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from asr_adapt.errors import DataError
from asr_adapt.manifest import read_manifest
from asr_adapt.records import Utterance
from asr_adapt.splits import check_leaks
from asr_adapt.spoken_calls import data, real_lines
from asr_adapt.spoken_calls.calls import SPLITS, Lexicon, make_calls
from asr_adapt.spoken_calls.data import Domain

RECIPE = Path(__file__).parents[1] / "recipes" / "maritime"


def load(module: str) -> ModuleType:
    """Import a module of the recipe as a run of the recipe does: from its folder."""
    sys.path.insert(0, str(RECIPE))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(RECIPE))


@pytest.fixture(scope="module")
def prepare() -> Iterator[ModuleType]:
    """The recipe's prepare.py, under a name of its own: every recipe has one."""
    load("calls")
    spec = importlib.util.spec_from_file_location("maritime_prepare", RECIPE / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def domain(prepare: ModuleType) -> Domain:
    made: Domain = prepare.DOMAIN
    return made


@pytest.fixture(scope="module")
def lexicons(domain: Domain) -> dict[str, Lexicon]:
    return domain.read_lexicons(RECIPE)


def slots_as_words(text: str) -> list[str]:
    """A frame as lower-case words; what stands in a slot does not tell frames apart."""
    return re.findall(r"\{?\w[\w'-]*\}?", re.sub(r"\{(other_)?", "{", text.lower()))


def word_runs(text: str, longest: int) -> Iterator[list[str]]:
    words = re.findall(r"[^\W_]+", text)
    for start, length in itertools.product(range(len(words)), range(1, longest + 1)):
        yield words[start : start + length]


def test_frames_are_many_and_every_topic_is_on_every_side(
    lexicons: dict[str, Lexicon], domain: Domain
) -> None:
    frames = [frame for lexicon in lexicons.values() for frame in lexicon.frames]
    assert len(frames) >= 150
    assert len({frame.frame_id for frame in frames}) == len({f.text for f in frames}) == len(frames)
    topics = {split: {f.topic for f in lexicon.frames} for split, lexicon in lexicons.items()}
    assert topics["train"] == topics["dev"] == topics["test"]
    assert len(lexicons["train"].frames) / len(frames) > 0.6
    assert len(lexicons["test"].frames) >= 60


def test_sentences_for_testing_are_new_but_their_words_are_not(
    lexicons: dict[str, Lexicon], domain: Domain
) -> None:
    """A recording of the trade would have the words of the trade: few are never heard before."""
    heard = [f.text for f in lexicons["train"].frames]
    known = {word for text in heard for word in slots_as_words(text)}
    tested = [f.text for f in lexicons["test"].frames]
    words = [word for text in tested for word in slots_as_words(text) if word[0] != "{"]
    assert sum(word not in known for word in words) / len(words) < 0.05


def test_ships_are_of_one_split_and_places_of_all(
    lexicons: dict[str, Lexicon], domain: Domain
) -> None:
    ships = {split: {n.text for n in lexicon.names["ship"]} for split, lexicon in lexicons.items()}
    for mine, theirs in itertools.combinations(SPLITS, 2):
        assert not ships[mine] & ships[theirs]
    for split, lexicon in lexicons.items():
        assert set(lexicon.unheard_names()) == ships[split]
    assert all(len(ships[split]) >= 300 for split in SPLITS)
    places = {split: lexicon.known_names() for split, lexicon in lexicons.items()}
    assert places["train"] == places["dev"] == places["test"]
    assert len(set(places["train"])) >= 150


def test_no_test_ship_is_said_inside_another_name_or_a_frame_of_training(
    lexicons: dict[str, Lexicon], domain: Domain
) -> None:
    """The leak check looks for runs of words: a ship 'Aurora' is heard in 'Aurora Star'."""
    said = [
        text
        for split in ("train", "dev")
        for text in itertools.chain(
            (name.text for pool in lexicons[split].names.values() for name in pool),
            (frame.text for frame in lexicons[split].frames),
        )
    ]
    runs = {" ".join(run) for text in said for run in word_runs(text.lower(), 4)}
    heard = {name.lower() for name in lexicons["test"].unheard_names()} & runs
    assert not heard


def test_numbers_are_said_as_at_sea_in_a_share_of_calls(
    lexicons: dict[str, Lexicon], domain: Domain
) -> None:
    lexicon = lexicons["train"]
    with_digits = [
        call
        for call in make_calls(lexicon, domain.grammar, 1500, 1)
        if re.search(r"\b(three|five|nine)\b", call.reference)
    ]
    at_sea = [call for call in with_digits if re.search(r"\b(tree|fife|niner)\b", call.spoken)]
    assert 0.25 < len(at_sea) / len(with_digits) < 0.45
    for call in at_sea:
        plain = call.spoken.replace("tree", "three").replace("fife", "five")
        assert re.findall(r"\bthree|five\b", plain) == re.findall(r"\bthree|five\b", call.reference)


def test_a_frame_with_an_unknown_slot_is_refused(domain: Domain, tmp_path: Path) -> None:
    for table in RECIPE.glob("*.tsv"):
        (tmp_path / table.name).write_text(table.read_text())
    with (tmp_path / "frames.tsv").open("a") as file:
        file.write("hailing-99\thailing\ttrain\t{ship} has {colour} paint.\n")
    with pytest.raises(DataError, match=r"hailing-99.*colour"):
        domain.read_lexicons(tmp_path)


def line(name: str, text: str, speaker: str, duration_s: float = 4.0) -> Utterance:
    return Utterance(name, Path(f"{name}.mp3"), 0.0, duration_s, text, speaker=speaker)


def test_real_lines_are_of_fair_length_and_no_speaker_has_them_all() -> None:
    text = "Where is the captain of this ship, then?"
    lines = [line(f"joe-{i}", text, "joe") for i in range(100)]
    lines += [line(f"{who}-{i}", text, who) for who in "abcdef" for i in range(10)]
    lines += [line("short", text, "g", 1.5), line("long", text, "g", 9.0)]
    lines += [line("digits", "I have 40 of them in here.", "g"), line("slow", "Yes.", "g", 7.0)]
    drawn = real_lines.draw_lines(lines, 50, (1, 2))
    assert len(drawn) == 50
    assert Counter(item.speaker for item in drawn)["joe"] <= 15
    assert not {"short", "long", "digits", "slow"} & {item.utterance_id for item in drawn}
    assert drawn == real_lines.draw_lines(lines, 50, (1, 2))
    assert drawn != real_lines.draw_lines(lines, 50, (1, 3))
    unknown = [replace(item, speaker=None) for item in lines]
    assert len(real_lines.draw_lines(unknown, 120, (1, 2))) == 120


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("We sail to Hull tonight.", True),
        ("The hull is leaking.", True),
        ("Hulls are expensive.", False),
        ("Fair winds to the isle.", False),
        ("Near Fair Isle!", True),
    ],
)
def test_names_are_found_as_whole_words(text: str, said: bool) -> None:
    assert real_lines.says_any(text, {("hull",), ("fair", "isle")}) is said


@pytest.mark.slow
@pytest.mark.debian
def test_preparing_gives_clean_training_and_received_test_sets(
    prepare: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    """A small size, made in one go and made after an interruption: the same bytes."""
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("debian-packages")
    small = data.Size(6, 2, 4, 4, 2, 4, 4, 4, 2, 1, 1, 3, 2, 3, kokoro_train=0, kokoro_scored=0)
    monkeypatch.setitem(prepare.SIZES, "demo", small)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    prepare.prepare(cache, whole, "demo", 3)
    monkeypatch.setattr(data, "send_over_radio", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(cache, resumed, "demo", 3)
    monkeypatch.undo()
    monkeypatch.setitem(prepare.SIZES, "demo", small)
    prepare.prepare(cache, resumed, "demo", 3)
    assert contents(whole) == contents(resumed)

    sets = {path.stem: read_manifest(path) for path in whole.glob("*.jsonl")}
    counts = {name: len(rows) for name, rows in sets.items()}
    spoken = {"calls": 6, "train": 15, "dev": 8, "test": 4, "real": 4, "general": 4 + 2 + 1 + 1}
    assert counts == {**spoken, "silence": 3}
    for name, channel in (
        ("general", "none"),
        ("test", "vhf"),
        ("real", "vhf"),
        ("silence", "vhf"),
    ):
        assert {row.tags["channel"] for row in sets[name]} == {channel}
    second = [row for rows in sets.values() for row in rows if row.utterance_id.startswith("sky-")]
    assert len(second) == 2
    assert all(row in sets["train"] for row in second)
    trained = {row.speaker for row in sets["train"]}
    unheard = [row for row in sets["general"] if row.speaker not in trained]
    assert len([row for row in unheard if row.tags.get("set") == "real"]) >= 2
    assert not {row.utterance_id for row in unheard} & {row.utterance_id for row in sets["dev"]}
    silent = {row.tags["channel"]: row.reference == "" for row in sets["train"]}
    assert silent == {"clean": False, "vhf": True}  # silence has gone over the radio already
    assert [row.reference for row in sets["dev"]].count("") == 2
    spoken_rows = [row for row in sets["test"] + sets["dev"] if row.reference]
    assert all(5 <= int(row.tags["cnr_db"]) <= 25 for row in spoken_rows)
    assert all(row.context for row in sets["test"])
    assert not any(row.context for row in sets["real"])
    named = {row.audio_path.name for rows in sets.values() for row in rows}
    assert named == {path.name for path in (whole / "audio").iterdir()}
    for test in ("test", "real"):
        places = (whole / "places.txt").read_text().splitlines()
        heard = [*sets["train"], *sets["general"], *sets["dev"]]
        check_leaks(heard, sets[test], known_phrases=places)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
