"""Without a terminal, progress is a line now and then, with a fair guess of the time left."""

from __future__ import annotations

import time

import pytest

from asr_adapt.progress import ProgressDisplay


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be set by the test."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def test_lines_are_few_and_the_last_one_says_done(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay() as display:
        update = display.start("decoding")
        for done in range(1, 1001):
            update(done, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "1/1000" in lines[0]
    assert "1000/1000" in lines[1]
    assert "left" not in lines[1]


def test_time_left_counts_from_where_work_resumed(
    capsys: pytest.CaptureFixture[str], now: list[float]
) -> None:
    with ProgressDisplay() as display:
        update = display.start("training")
        update(900, 1000)
        now[0] = 20.0
        update(910, 1000)  # ten steps in 20 s, 90 to go
    assert "about 180 s left" in capsys.readouterr().err


def test_time_left_does_not_count_what_went_before_the_first_update(
    capsys: pytest.CaptureFixture[str], now: list[float]
) -> None:
    with ProgressDisplay() as display:
        update = display.start_titled()
        now[0] = 800.0  # the model was loaded and general speech listened to
        update("training", 1, 101)
        now[0] = 820.0
        update("training", 11, 101)  # ten steps in 20 s, 90 to go
    first, second = capsys.readouterr().err.splitlines()
    assert first == "training: 1/101 in 0 s"
    assert second == "training: 11/101 in 20 s, about 180 s left"


def test_a_quiet_display_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(quiet=True) as display:
        display.say("hello")
        display.start("decoding")(1, 1)
    assert capsys.readouterr().err == ""


def test_titles_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay() as display:
        display.say("[red]set[/red] [0]")
        display.start("[bold]test[/bold]")(1, 1)
    shown = capsys.readouterr().err
    assert "[red]set[/red] [0]" in shown
    assert "[bold]test[/bold]" in shown
