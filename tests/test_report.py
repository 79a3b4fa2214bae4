"""The report says what the hypotheses hold, shows hostile text as text, and needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import random
import subprocess
import sys
import wave
from collections.abc import Callable, Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from asr_adapt.errors import DataError, ManifestError, UsageError
from asr_adapt.manifest import write_manifest
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import ARMS, FLAGS, Hypothesis, Utterance
from asr_adapt.reporting import build, plots, words
from asr_adapt.reporting.console import render_table
from asr_adapt.reporting.examples import Share, choose
from asr_adapt.reporting.make import ReportWishes, make_report
from asr_adapt.reporting.markdown import escape
from asr_adapt.reporting.results import Report
from asr_adapt.reporting.runs import read_run
from asr_adapt.reporting.slices import measure_noise
from asr_adapt.reporting.stacking import stack_alignments
from asr_adapt.scoring.alignment import AlignedWord, align_words
from asr_adapt.scoring.score import Comparison, score_run

SCHEMA = json.loads((Path(build.__file__).parent / "report.schema.json").read_text())
SHIPS = ("Nordic Falcon", "Baltic Heron", "Stella Maris", "Coral Wind", "Amber Tide")
CALLS = (
    "{ship} this is Flushing Radio go to channel seven seven",
    "Maas Approach this is {ship} we are two miles west of the buoy",
    "{ship} reduce your speed to six knots and keep clear of the fairway",
    "all ships this is {ship} man overboard in position five one north",
)
ERROR_SHARE = {"base": 0.45, "base+bias": 0.3, "lora": 0.12, "lora+bias": 0.05}


def _tone(path: Path, seconds: float, pitch_hz: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(int(16000 * seconds)) / 16000
    loudness = 0.05 + 0.25 * (np.sin(7 * time_s) > 0)
    sound = loudness * np.sin(2 * np.pi * pitch_hz * time_s)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        file.writeframes((sound * 32767).astype("<i2").tobytes())


def _misheard(text: str, share: float, chance: random.Random) -> str:
    heard = []
    for word in text.split():
        dice = chance.random() / share if share else math.inf
        if dice > 1:
            heard.append(word)
        elif dice > 0.6:
            heard += [word, "uhm-hm"]
        elif dice > 0.25:
            heard.append(chance.choice(["vessel", "fire", "north", "heaven", "steady"]))
    return " ".join(heard)


def _utterances(folder: Path, count: int, seed: int) -> list[Utterance]:
    chance = random.Random(seed)  # noqa: S311  # made-up data
    rows = []
    for i in range(count):
        ship = chance.choice(SHIPS)
        path = folder / f"clip{i}.wav"
        duration_s = round(0.2 + 0.1 * chance.random(), 3)
        _tone(path, duration_s, 200 + 20 * i)
        tags = {"cnr_db": str(chance.randint(4, 25)), "topic": chance.choice(["hail", "safety"])}
        rows.append(
            Utterance(
                f"call-{i:03d}",
                path,
                0.0,
                duration_s,
                chance.choice(CALLS).format(ship=ship),
                speaker=f"voice{i % 12}",
                context=(ship, chance.choice(SHIPS), "Maas Approach"),
                tags=tags,
            )
        )
    return rows


def _hypotheses(rows: Iterable[Utterance], arms: Iterable[str], seed: int) -> list[Hypothesis]:
    chance = random.Random(seed)  # noqa: S311  # made-up data
    found = []
    for row in rows:
        for arm in arms:
            text = _misheard(row.reference or "", ERROR_SHARE.get(arm, 0.3), chance)
            prompt = ", ".join(row.context) if arm.endswith("bias") else None
            dropped = ("Maas Approach",) if prompt and chance.random() < 0.1 else ()
            flags = ("empty",) if not text else ()
            found.append(
                Hypothesis(row.utterance_id, arm, text, prompt, dropped, -0.3, 0.05, flags)
            )
    return found


RECORD: dict[str, Any] = {
    "kind": "asr-adapt run",
    "created": "2026-01-02T03:04:05Z",
    "command": ["asr-adapt", "run", "recipes/maritime/recipe.toml", "--set", "size=demo"],
    "seed": 1,
    "versions": {"asr-adapt": "0.1.0", "torch": "2.11.0"},
    "environment": {"cpu": "a processor", "threads": 2, "device": "cpu", "platform": "Linux"},
    "commit": "0123abc",
    "model": {"name": "whisper-tiny.en", "source": "package", "sha256": "1a5afae0"},
    "adapter": {
        "path": "out/adapter",
        "sha256": "99ff",
        "method": "lora",
        "strength": 1.0,
        "minutes_of_labels": 40.2,
        "training_s": 431.0,
        "trainable_parameters": 2359296,
        "dev_wer": [{"step": 0, "wer": 0.6}, {"step": 50, "wer": 0.2}, {"step": 100, "wer": 0.12}],
        "size_bytes": 9_500_000,
    },
    "decode": {"batch_size": 8, "beam_size": 1, "window": {"base": 1500, "lora": 500}},
    "normaliser": "spoken-en",
    "training_curve": [{"step": s, "loss": 3 / (1 + s / 10)} for s in range(0, 101, 10)],
    "leak_check": "no speaker, recording or phrase group of the test is in training",
    "excluded": [{"id": "call-999", "reason": "longer than 30 s"}],
    "sets": [],
}


def _write_set(
    run_dir: Path, name: str, rows: list[Utterance], hypotheses: list[Hypothesis]
) -> None:
    folder = run_dir / "sets" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder / "manifest.jsonl", rows)
    lines = [json.dumps(each.to_json()) + "\n" for each in hypotheses]
    (folder / "hypotheses.jsonl").write_text("".join(lines), encoding="utf-8")


def _entry(name: str, role: str, title: str) -> dict[str, str]:
    return {
        "name": name,
        "role": role,
        "title": title,
        "manifest": f"sets/{name}/manifest.jsonl",
        "hypotheses": f"sets/{name}/hypotheses.jsonl",
    }


def make_run(run_dir: Path, arms: Iterable[str] = ARMS, count: int = 24, **record: Any) -> Path:
    """Write a run directory with a domain, a real and a general set of made-up calls."""
    sets = [
        _entry("test", "domain", "test calls"),
        _entry("real", "real", "real voices through the channel"),
        _entry("general", "general", "telephone prompts"),
    ]
    for number, entry in enumerate(sets):
        rows = _utterances(run_dir / "audio" / entry["name"], count, number)
        _write_set(run_dir, entry["name"], rows, _hypotheses(rows, arms, number))
    content = {**RECORD, "sets": sets, **record}
    (run_dir / "run.json").write_text(json.dumps(content), encoding="utf-8")
    return run_dir


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("report")
    run = make_run(folder / "run")
    return build.build_report([run], folder / "out"), folder / "out"


class Page(HTMLParser):
    """Collects tags, attributes and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text.append(data)


def page(out: Path) -> str:
    return (out / "report.html").read_text(encoding="utf-8")


def rebuild(folder: Path, **change: Any) -> tuple[Report, Path]:
    run = make_run(folder / "run", **change)
    return build.build_report([run], folder / "out"), folder / "out"


def edit_rows(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_json_has_the_committed_shape(built: tuple[Report, Path]) -> None:
    content = json.loads((built[1] / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(content, SCHEMA)
    assert [arm["name"] for arm in content["arms"]] == list(ARMS)
    assert content["arms"] == content["sets"][0]["arms"]
    assert content["comparisons"] == content["sets"][0]["comparisons"]
    assert content["run"]["command"] == RECORD["command"]


def test_rates_are_quotients_of_the_counts_beside_them(built: tuple[Report, Path]) -> None:
    content = json.loads((built[1] / "report.json").read_text(encoding="utf-8"))
    for part in content["sets"]:
        wers = {}
        for arm in part["arms"]:
            errors = arm["substitutions"] + arm["deletions"] + arm["insertions"]
            assert arm["wer"] == pytest.approx(errors / arm["reference_words"])
            assert arm["wer_ci95"][0] <= arm["wer"] <= arm["wer_ci95"][1]
            wers[arm["name"]] = arm["wer"]
        for each in part["comparisons"]:
            difference = wers[each["b"]] - wers[each["a"]]
            assert each["wer_difference"] == pytest.approx(difference)


def test_slices_add_up_to_the_whole(built: tuple[Report, Path]) -> None:
    content = json.loads((built[1] / "report.json").read_text(encoding="utf-8"))
    first = content["sets"][0]
    assert {each["name"] for each in first["by_tag"]} == {"topic", "speaker"}
    assert first["by_snr"]["source"] == "tag cnr_db"
    for part in (*first["by_tag"], first["by_snr"]):
        for arm in first["arms"]:
            cells = [each["arms"][arm["name"]] for each in part["slices"]]
            assert sum(cell["reference_words"] for cell in cells) == arm["reference_words"]
            errors = arm["substitutions"] + arm["deletions"] + arm["insertions"]
            assert sum(cell["errors"] for cell in cells) == errors


class Watched(dict[str, float]):
    """Values that count how often all of them are gone through."""

    scans = 0

    def values(self) -> Any:
        """Return the values."""
        self.scans += 1
        return super().values()


@pytest.mark.parametrize(("loudest_db", "step_db"), [(40, 5), (41, 10)])
def test_the_step_of_noise_is_settled_once_not_for_every_utterance(
    loudest_db: int, step_db: int
) -> None:
    levels_db = (0, 12, 12.5, loudest_db)
    rows = [
        Utterance(f"u{n}", Path("u.wav"), 0, 1, tags={"snr_db": str(level_db)})
        for n, level_db in enumerate(levels_db)
    ]
    measured = measure_noise(rows)
    noise = replace(measured, values=Watched(measured.values))
    lows = [noise.bin(u.utterance_id) for u in rows]
    assert lows == [level_db // step_db for level_db in levels_db]
    assert noise.label(2) == f"{2 * step_db} to {3 * step_db}"
    assert noise.bin("nobody") is None
    assert noise.values.scans == 0  # type: ignore[attr-defined]


def test_error_listing_holds_every_error(built: tuple[Report, Path]) -> None:
    report, out = built
    sections = (out / "errors.txt").read_text(encoding="utf-8").split("# set ")[1:]
    scored = [arm.words for part in report.sets for arm in part.scores.arms]
    for section, words_ in zip(sections, scored, strict=True):
        assert section.count("(*->") == words_.insertions
        assert section.count("->*)") == words_.deletions
        assert section.count("->") == words_.errors


def test_markdown_and_page_hold_the_same_numbers(built: tuple[Report, Path]) -> None:
    report, out = built
    markdown = (out / "report.md").read_text(encoding="utf-8")
    text = " ".join(Page(page(out)).text)
    for part in report.sets:
        for arm in part.scores.arms:
            assert words.percent(arm.wer) in markdown
            assert words.percent(arm.wer) in text
            assert words.interval(arm.wer_ci95) in markdown
            assert words.interval(arm.wer_ci95) in text


def test_page_needs_no_network_and_runs_only_its_own_script(built: tuple[Report, Path]) -> None:
    text = page(built[1])
    found = Page(text)
    policies = [
        value for tag, name, value in found.attributes if (tag, name) == ("meta", "content")
    ]
    assert policies[0].startswith("default-src 'none'")
    assert "unsafe" not in policies[0]
    assert found.tags.count("script") == found.tags.count("style") == 1
    for tag, name, value in found.attributes:
        assert not name.startswith("on")
        assert name != "style"
        if name in ("src", "href"):
            beside = tag in ("audio", "img") and value.startswith("audio/")
            assert beside or value.startswith("#")
    assert "http" not in text.replace("http://www.w3.org/", "").replace("http-equiv", "")


def test_phrases_that_did_not_fit_are_counted_whether_they_are_named_or_not(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "run", ("base", "base+bias"), count=4)
    path = run / "sets" / "test" / "hypotheses.jsonl"
    rows = [Hypothesis.from_json(json.loads(line)) for line in path.read_text().splitlines()]
    told = [
        replace(row, dropped_phrases=("Alma", f"Ship {n}"), dropped_more=998)
        for n, row in enumerate(row for row in rows if row.arm == "base+bias")
    ]
    lines = [json.dumps(row.to_json()) + "\n" for row in (*rows[::2], *told)]
    path.write_text("".join(lines))
    build.build_report([run], tmp_path / "out")
    content = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    arms = {arm["name"]: arm["dropped_phrases"] for arm in content["sets"][0]["arms"]}
    assert arms == {"base": 0, "base+bias": 4000}
    shown = " ".join(" ".join(Page(page(tmp_path / "out")).text).split())
    assert "Alma \N{MULTIPLICATION SIGN}4" in shown
    assert "and 3992 more, further down the lists" in shown
    assert "did not fit into the prompt: Alma, Ship 0 and 998 more" in shown


def test_pictures_of_sounds_are_described_and_loaded_when_seen(built: tuple[Report, Path]) -> None:
    report, out = built
    shown = [each.clip for part in report.sets for each in part.examples if each.clip]
    found = [(name, value) for tag, name, value in Page(page(out)).attributes if tag == "img"]
    assert [value for name, value in found if name == "width"] == [
        str(1 + int(clip.duration_s * 64)) for clip in shown
    ]
    assert (
        "alt",
        f"Wave and spectrogram of {words.duration(shown[0].duration_s)}, 0 to 8 kHz",
    ) in found
    assert found.count(("loading", "lazy")) == len(shown)


def test_policy_names_the_hashes_of_what_is_on_the_page(built: tuple[Report, Path]) -> None:
    text = page(built[1])
    for tag in ("script", "style"):
        content = text.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in text


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}",
    "{{ 7*7 }}{% include 'x' %}",
    "javascript:alert(1)",
    "<!-- --><base href=//evil>",
    "a|b|c",
    "$\\frac{1}{0}$",
    "[red]rich[/red] [link=x]",
    "&lt;b&gt; &amp;",
)


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path, payload: str) -> None:
    run = make_run(tmp_path / "run", count=3)
    plain = build.build_report([run], tmp_path / "plain")
    record = json.loads((run / "run.json").read_text())
    record["model"]["name"] = record["leak_check"] = record["decode"]["note"] = payload
    record["command"] = ["asr-adapt", payload]
    record["excluded"] = [{"id": payload, "reason": payload}]
    record["sets"][0]["title"] = payload
    (run / "run.json").write_text(json.dumps(record))
    folder = run / "sets" / "test"

    def poison(row: dict[str, Any]) -> None:
        for key in ("reference", "text", "prompt", "speaker"):
            if key in row:
                row[key] = f"{payload} said {payload}"
        row["utterance_id"] += payload
        for key in ("context", "dropped_phrases"):
            if key in row:
                row[key] = [payload, "said"]
        if "tags" in row:
            row["tags"] = {payload: payload + row["utterance_id"][:8]}
        if "flags" in row:
            row["flags"] = [payload]

    edit_rows(folder / "manifest.jsonl", poison)
    edit_rows(folder / "hypotheses.jsonl", poison)
    report = build.build_report([run], tmp_path / "out")
    found, harmless = Page(page(tmp_path / "out")), Page(page(tmp_path / "plain"))
    assert set(found.tags) <= set(harmless.tags)
    for tag in ("script", "style", "svg", "meta", "html"):
        assert found.tags.count(tag) == harmless.tags.count(tag) or tag == "svg"
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert any(payload in text for text in found.text)
    assert f"{payload} said {payload}" in "".join(found.text)
    console = Console(width=200, file=(tmp_path / "terminal.txt").open("w"))
    console.print(render_table(report))
    console.file.close()
    assert payload in (tmp_path / "terminal.txt").read_text()
    _check_markdown((tmp_path / "out" / "report.md").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads((tmp_path / "out" / "report.json").read_text()), SCHEMA)
    assert len(plain.sets) == len(report.sets)


def _check_markdown(text: str) -> None:
    """Tables keep their columns and nothing in them is HTML but empty comments."""
    assert "<" not in text.replace("<!-- -->", "")
    columns = 0
    for line in text.splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        bars = line.replace("\\\\", "").replace("\\|", "").count("|")
        assert bars == (columns or bars), line
        columns = bars


def test_markdown_escapes_links_and_mentions() -> None:
    shown = escape("[a](http://x) @team #12 www.x.org <b> `c` *d*")
    assert "http://" not in shown
    assert "@team" not in shown
    assert "#12" not in shown
    assert "www.x" not in shown
    assert "\\[a\\]" in shown


def test_invisible_characters_are_shown_as_code_points(tmp_path: Path) -> None:
    rebuild(tmp_path, count=3, leak_check="left\u202eright\u200b\u0007\u2066")
    text = page(tmp_path / "out")
    assert "left[U+202E]right[U+200B][U+0007][U+2066]" in text
    assert not {"\u202e", "\u200b", "\u0007", "\u2066"} & set(text)


def test_same_runs_give_the_same_bytes(built: tuple[Report, Path], tmp_path: Path) -> None:
    report, out = built
    build.build_report([report.runs[0].directory], tmp_path / "again")
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        again = tmp_path / "again" / path.relative_to(out)
        assert again.read_bytes() == path.read_bytes(), path.name


def test_clips_are_of_what_is_shown_and_no_more(built: tuple[Report, Path]) -> None:
    report, out = built
    shown = [each.clip for part in report.sets for each in part.examples if each.clip]
    assert 0 < len(shown) <= build.MOST_EXAMPLES
    files = {each.address for clip in shown for each in (clip, clip.picture) if each}
    assert {f"audio/{path.name}" for path in (out / "audio").iterdir()} == files
    assert len(files) == 2 * len({clip.address for clip in shown})
    sound = soundfile.info(out / shown[0].address)
    assert (sound.samplerate, sound.subtype, sound.channels) == (16000, "PCM_16", 1)
    example = report.primary.examples[0]
    assert example.clip is not None
    original, clip = (
        soundfile.read(path, dtype="int16")[0].astype(int)
        for path in (example.utterance.audio_path, out / example.clip.address)
    )
    assert np.abs(clip - original).max() <= 1


def test_worst_utterances_come_first(built: tuple[Report, Path]) -> None:
    part = built[0].primary
    assert part.best is not None
    errors = {
        each.utterance_id: each.words.errors
        for each in part.scores.utterances
        if each.arm == part.best.arm
    }
    first = part.examples[0].utterance.utterance_id
    assert errors[first] == max(errors.values())


def test_an_arm_without_a_text_has_neither_helped_nor_hurt() -> None:
    said = "keep clear of the fairway"
    rows = [Utterance(name, Path(f"{name}.wav"), 0, 1, said) for name in "abcdefg"]
    texts = {
        "base": {"a": "keep", "b": "keep", "c": said, "d": "keep", "e": "", "f": None, "g": said},
        "lora": {"a": said, "b": None, "c": "keep", "e": "keep", "f": "keep", "g": None},
    }
    heard = [
        Hypothesis(name, arm, text or "", error="no sound" if text is None else None)
        for arm, found in texts.items()
        for name, text in found.items()
    ]
    scores = score_run(rows, heard, "raw")
    chosen = choose(scores, "base", "lora", Share(worst=9, helped=9, hurt=9, flagged=9))
    by_reason = {
        reason: {name for name, why in chosen.items() if reason in why}
        for reason in ("worst", "helped", "hurt", "flagged")
    }
    assert by_reason == {
        "worst": set("cef"),
        "helped": set("ae"),
        "hurt": set("c"),
        "flagged": set("bfg"),
    }
    assert set(chosen) == set("abcdefg")


def test_one_arm_without_adapter_tags_or_context_still_makes_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=["base"], count=4)
    record = json.loads((run / "run.json").read_text())
    keep = ("kind", "model", "normaliser")
    least = {key: record[key] for key in keep} | {"sets": record["sets"][:1]}
    (run / "run.json").write_text(json.dumps(least))

    def strip(row: dict[str, Any]) -> None:
        row.update(tags={}, context=[], speaker=None)

    edit_rows(run / "sets" / "test" / "manifest.jsonl", strip)
    report = build.build_report([run], tmp_path / "out")
    text = " ".join(Page(page(tmp_path / "out")).text)
    assert "of words wrong" in text
    assert "Paired differences" not in text
    assert words.advice(report.primary) is None
    assert report.primary.by_snr is None or report.primary.by_snr.source.startswith("estimated")
    jsonschema.validate(json.loads((tmp_path / "out" / "report.json").read_text()), SCHEMA)


def forget(run: Path, name: str) -> None:
    """Take the references out of a set of a run."""
    edit_rows(run / "sets" / name / "manifest.jsonl", lambda row: row.update(reference=None))


def test_a_set_without_transcripts_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = make_run(tmp_path / "run", count=2), tmp_path / "out"
    forget(run, "real")
    with ProgressDisplay() as display:
        report = make_report([run], out, ReportWishes(), display, seed=0)
    said = "real voices through the channel: none of 2 utterances has a transcript: not scored"
    assert [part.entry.name for part in report.sets] == ["test", "general"]
    assert f"set 'real', {said}" in capsys.readouterr().err
    assert said in " ".join(Page(page(out)).text)
    assert said in (out / "report.md").read_text()
    content = json.loads((out / "report.json").read_text())
    assert content["unscored_sets"] == ["real"]
    jsonschema.validate(content, SCHEMA)


def test_a_run_without_any_transcript_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", count=2)
    for name in ("test", "real", "general"):
        forget(run, name)
    with pytest.raises(DataError, match=r"nothing to score.*'test', 'real', 'general'.*manifest"):
        build.build_report([run], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_failures_silence_and_missing_sound_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", count=6)
    folder = run / "sets" / "test"

    def fail(row: dict[str, Any]) -> None:
        if (row["utterance_id"], row["arm"]) == ("call-002", "lora"):
            row.update(text="", error="the disk was full")

    def hush(row: dict[str, Any]) -> None:
        if row["utterance_id"] == "call-001":
            row["reference"] = ""

    edit_rows(folder / "hypotheses.jsonl", fail)
    edit_rows(folder / "manifest.jsonl", hush)
    (run / "audio" / "test" / "clip2.wav").unlink()
    report = build.build_report([run], tmp_path / "out")
    text = " ".join(Page(page(tmp_path / "out")).text)
    assert "failed: the disk was full" in text
    assert "The sound cannot be read here." in text
    assert report.primary.scores.arm("lora").failed == ("call-002",)
    assert report.primary.scores.arm("base").silence_utterances == 1
    assert "failed: the disk was full" in (tmp_path / "out" / "errors.txt").read_text()


def test_what_loops_cost_is_told_on_page_and_in_markdown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", count=6)
    build.build_report([run], tmp_path / "none")
    for name in ("report.html", "report.md"):
        assert "that loop" not in (tmp_path / "none" / name).read_text()

    def flag(row: dict[str, Any]) -> None:
        row["flags"] = ["loop"] if (row["utterance_id"], row["arm"]) == ("call-002", "lora") else []

    edit_rows(run / "sets" / "test" / "hypotheses.jsonl", flag)
    report = build.build_report([run], tmp_path / "one")
    rates = [words.percent(arm.wer_without_loops) for arm in report.primary.scores.arms]
    assert rates != [words.percent(arm.wer) for arm in report.primary.scores.arms]
    said = (
        f"Without the one utterance that loops in some arm: base {rates[0]}, base+bias {rates[1]}"
    )
    assert said in (tmp_path / "one" / "report.html").read_text()
    assert said in (tmp_path / "one" / "report.md").read_text()
    written = json.loads((tmp_path / "one" / "report.json").read_text())
    jsonschema.validate(written, SCHEMA)
    assert written["sets"][0]["looping"] == ["call-002"]


def test_every_flag_is_explained_beside_its_count(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=["base"], count=len(FLAGS))
    left = list(FLAGS)

    def flag(row: dict[str, Any]) -> None:
        row["flags"] = [left.pop()] if left else []

    def flag_one(row: dict[str, Any]) -> None:
        row["flags"] = ["loop"]

    edit_rows(run / "sets" / "test" / "hypotheses.jsonl", flag)
    build.build_report([run], tmp_path / "all")
    text = " ".join(Page(page(tmp_path / "all")).text)
    assert all(f"flagged {name}" in text and meaning in text for name, meaning in FLAGS.items())
    edit_rows(run / "sets" / "test" / "hypotheses.jsonl", flag_one)
    build.build_report([run], tmp_path / "one")
    text = " ".join(Page(page(tmp_path / "one")).text)
    assert [name for name, meaning in FLAGS.items() if meaning in text] == ["loop"]


def test_arms_of_other_names_are_shown_as_they_are(tmp_path: Path) -> None:
    rebuild(tmp_path, arms=["small", "large <i>"], count=4)
    text = " ".join(Page(page(tmp_path / "out")).text)
    assert "large <i> against small" in text


def test_runs_of_different_arms_join_into_one_report(tmp_path: Path) -> None:
    both = make_run(tmp_path / "both", count=5)
    parts = []
    for name, kept in (("first", ARMS[:2]), ("second", ARMS[2:])):
        run = make_run(tmp_path / name, count=5)
        for part in ("test", "real", "general"):
            path = run / "sets" / part / "hypotheses.jsonl"
            text = (both / "sets" / part / "hypotheses.jsonl").read_text()
            lines = [line for line in text.splitlines() if json.loads(line)["arm"] in kept]
            path.write_text("".join(line + "\n" for line in lines))
        parts.append(run)
    joined = build.build_report(parts, tmp_path / "joined")
    whole = build.build_report([both], tmp_path / "whole")
    assert joined.primary.scores.arms == whole.primary.scores.arms
    again = build.build_report([both, parts[0]], tmp_path / "again")
    assert again.primary.scores.arms == whole.primary.scores.arms


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", count=2)
    other = make_run(tmp_path / "other", count=2, arms=["lora"])
    edit_rows(other / "sets" / "real" / "manifest.jsonl", lambda row: row.update(reference="so"))
    with pytest.raises(
        DataError, match="run 'other', set 'real': utterance 'call-000' has another"
    ):
        build.build_report([first, other], tmp_path / "out")
    third = make_run(tmp_path / "third", count=2, normaliser="raw")
    with pytest.raises(DataError, match="different normalisers"):
        build.build_report([first, third], tmp_path / "out")
    with pytest.raises(UsageError):
        build.build_report([], tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.update(kind="else"), "kind"),
        (lambda record: record.pop("normaliser"), "normaliser"),
        (lambda record: record.update(model="tiny"), "model"),
        (lambda record: record.update(adapter=[1]), "adapter"),
        (lambda record: record.update(sets=[]), "sets"),
        (lambda record: record.update(sets=[7]), "sets"),
        (lambda record: record["sets"][0].pop("manifest"), "lacks"),
        (lambda record: record["sets"][0].update(role="other"), "role"),
        (lambda record: record["sets"][0].update(manifest="../../x.jsonl"), "leaves"),
        (lambda record: record["sets"][0].update(hypotheses="/etc/passwd"), "leaves"),
        (lambda record: record["sets"][0].update(hypotheses="a\0b"), "cannot be"),
        (lambda record: record["sets"][0].update(hypotheses="sets/none.jsonl"), "cannot be read"),
        (lambda record: record["sets"][1].update(name="test"), "differ"),
    ],
)
def test_nonsense_in_run_json_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    run = make_run(tmp_path / "run", count=2)
    record = json.loads((run / "run.json").read_text())
    change(record)
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(ManifestError, match=message) as caught:
        read_run(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        '{"utterance_id": "call-000"}',
        '{"utterance_id": "call-000", "arm": "x", "text": 5}',
        '{"utterance_id": "nobody", "arm": "x", "text": ""}',
        '{"utterance_id": "call-000", "arm": "x", "text": "", "decode_s": -1}',
        '{"utterance_id": "call-000", "arm": "x", "text": "", "decode_s": NaN}',
        '{"utterance_id": "call-000", "arm": "x", "text": "", "flags": [1]}',
        '{"utterance_id": "call-000", "arm": "x", "text": "", "dropped_more": -1}',
        '{"utterance_id": "call-000", "arm": "x", "text": "", "dropped_more": true}',
        '{"utterance_id": "call-000", "arm": "x", "text": "", "error": 1}',
        '{"utterance_id": "call-000", "arm": "base", "text": "", "surprise": 1}',
    ],
)
def test_a_bad_hypothesis_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    run = make_run(tmp_path / "run", count=2, arms=["base"])
    path = run / "sets" / "test" / "hypotheses.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ManifestError) as caught:
        read_run(run)
    assert caught.value.line == 3


def test_missing_run_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no run directory: there is no run\.json"):
        read_run(tmp_path)


WORDS = st.lists(st.sampled_from(["pan", "north", "five", "over"]), max_size=8)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4), st.integers(1, 60))
def test_stacked_rows_hold_every_word_once(
    said: list[str], heard: list[list[str]], width: int
) -> None:
    alignments = {
        str(number): align_words(" ".join(said), " ".join(each))
        for number, each in enumerate(heard)
    }
    blocks = stack_alignments(alignments, width)
    assert [word for block in blocks for word in block.reference if word] == said
    for row, each in enumerate(heard):
        cells = [cell for block in blocks for cell in block.rows[row][1]]
        assert [cell.text for cell in cells if cell.text] == each
    assert all(len(cells) == len(block.reference) for block in blocks for _, cells in block.rows)


def test_stacking_refuses_different_references() -> None:
    alignments = {"a": [AlignedWord("hit", "x", "x")], "b": [AlignedWord("hit", "y", "y")]}
    with pytest.raises(ValueError, match="one reference"):
        stack_alignments(alignments, 80)


def test_plots_fit_any_page_and_are_the_same_twice() -> None:
    arms = [
        plots.ArmPoint("base", "$x & <y>", 1.4, 1.2, 1.7),
        plots.ArmPoint("z", "z", 0, None, None),
    ]
    line = plots.Line("base", "as it comes", ((1.0, 0.5), (2.0, 0.4)))
    drawings = [
        (plots.plot_arms(arms), plots.plot_arms(arms)),
        (plots.plot_lines([line], "dB", "by noise"), plots.plot_lines([line], "dB", "by noise")),
        (plots.plot_training(line, None), plots.plot_training(line, None)),
        (plots.plot_training(None, line), plots.plot_training(None, line)),
    ]
    for first, second in drawings:
        assert first == second
        assert "currentColor" in first
        assert "#010203" not in first
        found = Page(first)
        assert found.tags[0] == "svg"
        assert "style" not in {name for _, name, _ in found.attributes} | set(found.tags)
    assert "$x & <y>" in "".join(Page(drawings[0][0]).text)


def _comparison(low: float, high: float) -> Comparison:
    return Comparison("base", "lora", (low + high) / 2, (low, high), 0.5, 0.5, (low + high) / 2)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.4, -0.1, "better"), (0.1, 0.4, "worse"), (-0.1, 0.2, "unclear"), (0.0, 0.0, "unclear")],
)
def test_a_step_is_certain_only_if_its_interval_excludes_zero(
    low: float, high: float, verdict: str
) -> None:
    step = words.step(_comparison(low, high), "Fine-tuning")
    assert step.verdict == verdict
    assert "certain" in step.text
    assert ("no certain" in step.text) == (verdict == "unclear")


def test_advice_prefers_the_arm_that_asks_for_less(built: tuple[Report, Path]) -> None:
    def said(low: float, high: float) -> str | None:
        against_base = replace(_comparison(low, high), b="lora+bias")
        part = built[0].primary
        return words.advice(replace(part, scores=replace(part.scores, comparisons=(against_base,))))

    assert said(-0.4, -0.2) == "“fine-tuned and told the context” has the lowest error rate."
    assert "“as it comes” asks for less" in str(said(-0.1, 0.1))


def test_the_answer_names_the_forgetting_check_and_the_cost(built: tuple[Report, Path]) -> None:
    report, out = built
    text = " ".join(" ".join(Page(page(out)).text).split())
    general = report.sets[2]
    assert words.about_set(general)[0].text in text
    assert "Before fine-tuning" in words.about_set(general)[0].text
    assert "40 minutes of transcribed speech, 7 min 11 s of training" in text
    assert "asr-adapt run recipes/maritime/recipe.toml --set size=demo" in text
    assert "longer than 30 s" in text


def test_the_terminal_table_fits_80_characters(
    built: tuple[Report, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Console(width=80).print(render_table(built[0]))
    shown = capsys.readouterr().out
    assert "…" not in shown
    for arm in built[0].primary.scores.arms:
        assert f"{100 * (arm.wer or 0):.1f}" in shown


def test_progress_is_told_for_every_set(built: tuple[Report, Path], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run = built[0].runs[0].directory
    build.build_report([run], tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_reporting_never_loads_torch() -> None:
    code = (
        "import sys; import asr_adapt.reporting.build, asr_adapt.reporting.console; "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_committed_results_have_the_shape_of_a_report() -> None:
    for path in sorted((Path(__file__).parent.parent / "recipes").glob("*/results/*.json")):
        jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), SCHEMA)
