"""A report that is one file: the same sounds as beside the page, in the page, up to a size."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from click.testing import CliRunner

from asr_adapt.cli import cli
from asr_adapt.reporting import build
from asr_adapt.reporting.results import Report
from tests.test_report import Page, make_run, page

MEDIA = {"audio": "data:audio/wav;base64,", "img": "data:image/png;base64,"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path, Path]:
    """A report with its sounds in the page, its folder, and that of the same with a folder."""
    folder = tmp_path_factory.mktemp("embedded")
    run = make_run(folder / "run", count=8)
    build.build_report([run], folder / "beside")
    return build.build_report([run], folder / "in", embed_audio=True), folder / "in", folder


def media(out: Path) -> list[tuple[str, str]]:
    """Return tag and address of all sounds and pictures of a page, in their order."""
    return [(tag, at) for tag, name, at in Page(page(out)).attributes if name == "src"]


def test_every_player_holds_the_bytes_of_the_file(both: tuple[Report, Path, Path]) -> None:
    _, out, folder = both
    beside = media(folder / "beside")
    assert len(beside) > 20
    for (tag, inside), (other_tag, path) in zip(media(out), beside, strict=True):
        assert tag == other_tag
        assert inside.startswith(MEDIA[tag])
        content = base64.b64decode(inside.removeprefix(MEDIA[tag]), validate=True)
        assert content == (folder / "beside" / path).read_bytes()


def test_the_page_needs_no_file_beside_it(both: tuple[Report, Path, Path]) -> None:
    _, out, folder = both
    names = {path.name for path in out.iterdir()}
    assert names == {"report.html", "report.json", "report.md", "errors.txt"}
    assert names | {"audio"} == {path.name for path in (folder / "beside").iterdir()}
    for name in names - {"report.html"}:
        assert (out / name).read_bytes() == (folder / "beside" / name).read_bytes()
    for _, name, value in Page(page(out)).attributes:
        if name in ("src", "href", "srcset", "poster", "data"):
            assert value.startswith(("data:", "#"))


def test_only_an_embedded_page_may_show_data(both: tuple[Report, Path, Path]) -> None:
    _, out, folder = both
    policies = [
        next(v for _, name, v in Page(page(each)).attributes if v.startswith("default-src"))
        for each in (out, folder / "beside")
    ]
    assert "media-src data:; img-src data:;" in policies[0]
    assert policies[0].count("data:") == 2
    assert policies[0].replace("data:", "'self' file:") == policies[1]


def test_what_does_not_fit_is_told_and_the_first_set_leaves_room_for_others(
    both: tuple[Report, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = both[0]
    needed = [each.clip.size for each in report.primary.examples if each.clip]
    room = sum(needed)
    monkeypatch.setattr(build, "MOST_EMBEDDED_BYTES", room)
    small = build.build_report([report.runs[0].directory], tmp_path, embed_audio=True)
    held = [[e for e in part.examples if e.clip] for part in small.sets]
    assert 0 < len(held[0]) < len(needed)
    assert all(held)
    total = sum(len(at) for _, at in media(tmp_path))
    assert 0.7 * room < total <= room
    silent = [e for part in small.sets for e in part.examples if not e.clip]
    assert page(tmp_path).count("too large to mail") == len(silent) > 0
    first = small.primary.examples
    assert [bool(e.clip) for e in first] == sorted((bool(e.clip) for e in first), reverse=True)
    told = "report.json"
    assert (tmp_path / told).read_bytes() == (both[1] / told).read_bytes()


def test_the_command_says_how_large_the_page_is_and_logs(
    both: tuple[Report, Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    words = ("--embed-audio", "--log-to", "tensorboard", "--also", "csv")
    done = CliRunner().invoke(
        cli, ["report", str(both[2] / "run"), "--out", str(tmp_path), "--seed", "0", *words]
    )
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "report.html").read_bytes() == (both[1] / "report.html").read_bytes()
    size = (tmp_path / "report.html").stat().st_size / 1e6
    shown = sum(len(part.examples) for part in both[0].sets)
    wanted = f"one file of {size:.1f} MB, with the sound of {shown} of {shown} shown utterances"
    assert wanted in done.stderr
    assert f"tensorboard --logdir {tmp_path}" in done.stderr
    names = {path.name for path in tmp_path.iterdir()} - {path.name for path in both[1].iterdir()}
    assert names == {"exports", "tensorboard"}


def test_a_learning_curve_has_no_report_to_embed_sounds_in(tmp_path: Path) -> None:
    words = ["run", str(tmp_path / "recipe.toml"), "--curve", "1,2", "--embed-audio"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code != 0
    assert "--curve writes no report" in str(done.exception or done.stderr)
