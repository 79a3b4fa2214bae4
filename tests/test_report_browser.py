"""The report in a real browser: right numbers, working tools, no request, nothing hostile runs.

Needs Debian's chromium and chromium-driver; `scripts/test` installs them where it may.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.facets import Browser, browse
from asr_adapt.reporting.results import Report
from tests import browser
from tests.hostile import HOSTILE, hostile_run
from tests.test_report import make_run

pytestmark = pytest.mark.slow

Built = tuple[Report, Browser, dict[str, Any], Path]


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with browser.open_browser() as chrome:
        yield chrome


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("browser")
    report = build_report([make_run(folder / "run", count=16)], folder / "out")
    content = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    return report, browse(report), content, folder / "out"


@pytest.fixture
def page(driver: webdriver.Chrome, built: Built) -> Iterator[webdriver.Chrome]:
    """The report, freshly opened; at the end the console is empty and nothing left the folder."""
    browser.load(driver, built[3] / "report.html")
    yield driver
    assert browser.console_lines(driver) == []
    assert browser.leaving(driver, built[3]) == []


def shown(page: webdriver.Chrome) -> list[int]:
    """Return the numbers of the visible utterances, in their order."""
    script = """return Array.from(document.querySelectorAll(".example"))
      .filter((each) => each.offsetParent).map((each) => Number(each.id.slice(1)));"""
    return [int(each) for each in page.execute_script(script)]


def open_facets(page: webdriver.Chrome) -> list[Select]:
    page.find_element(By.CSS_SELECTOR, ".facets summary").click()
    return [Select(each) for each in page.find_elements(By.CSS_SELECTOR, "[data-facet]")]


def test_the_first_page_shows_the_numbers_of_the_json(page: webdriver.Chrome, built: Built) -> None:
    assert browser.first_page(page) == browser.expected_cards(built[2])
    text = browser.answer_text(page)
    numbers = browser.expected_numbers(built[2])
    assert len(numbers) > 10
    assert [each for each in numbers if each not in text] == []


def test_utterances_come_twenty_at_a_time(page: webdriver.Chrome, built: Built) -> None:
    assert shown(page) == list(range(20))
    page.find_element(By.ID, "more").send_keys(Keys.ENTER)
    assert shown(page) == list(range(40))
    assert page.execute_script("return document.activeElement.id") == "u20"
    assert f"40 of {len(built[1].shown)}" in page.find_element(By.ID, "count").text


def test_every_facet_narrows_to_what_has_the_value(page: webdriver.Chrome, built: Built) -> None:
    selects = open_facets(page)
    assert len(selects) == len(built[1].facets)
    titles = {each.title for each in built[1].facets}
    assert {"test set", "arm", "carrier-to-noise ratio, dB", "speaker", "topic"} <= titles
    for place, (select, facet) in enumerate(zip(selects, built[1].facets, strict=True)):
        select.select_by_visible_text(facet.values[0])
        wanted = [each.number for each in built[1].shown if f"{place}.0" in each.places]
        assert shown(page) == wanted[:20], facet.title
        assert f"of {len(wanted)}" in page.find_element(By.ID, "count").text
        select.select_by_index(0)


def test_change_between_two_arms_sorts(page: webdriver.Chrome, built: Built) -> None:
    Select(page.find_element(By.ID, "sort")).select_by_value("fixed")
    Select(page.find_element(By.ID, "from")).select_by_visible_text("base+bias")
    Select(page.find_element(By.ID, "to")).select_by_visible_text("lora")
    arms = built[1].arms
    one, two = arms.index("base+bias"), arms.index("lora")
    gains = {
        each.number: (each.errors[one] or 0) - (each.errors[two] or 0) for each in built[1].shown
    }
    assert shown(page) == sorted(gains, key=lambda n: (-gains[n], n))[:20]
    Select(page.find_element(By.ID, "sort")).select_by_value("broken")
    assert shown(page) == sorted(gains, key=lambda n: (gains[n], n))[:20]


def test_search_finds_words_and_ids(page: webdriver.Chrome, built: Built) -> None:
    field = page.find_element(By.ID, "words")
    field.send_keys("CALL-007")
    wanted = [e.number for e in built[1].shown if e.example.utterance.utterance_id == "call-007"]
    assert shown(page) == wanted
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, "no such words")
    assert shown(page) == []
    page.find_element(By.ID, "reset").click()
    assert len(shown(page)) == 20


def test_the_keyboard_alone_leads_from_a_number_to_its_utterances(
    page: webdriver.Chrome, built: Built
) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("class") == "skip"
    lead = page.find_element(By.CSS_SELECTOR, "#words-wrong a[data-rows]")
    rows = [int(each) for each in str(lead.get_attribute("data-rows")).split()]
    lead.send_keys(Keys.ENTER)
    assert sorted(shown(page)) == sorted(rows)[:20]
    note = page.switch_to.active_element
    assert note.get_attribute("id") == "note"
    assert note.text.startswith("Only: ")
    note.send_keys(Keys.TAB)  # on to the first player that is shown
    first = page.switch_to.active_element
    assert first.tag_name == "audio"
    summary = page.find_element(By.CSS_SELECTOR, f"#u{shown(page)[0]} summary")
    summary.send_keys(Keys.ENTER)
    assert page.execute_script("return arguments[0].parentElement.open", summary)
    page.find_element(By.ID, "reset").send_keys(Keys.SPACE)
    assert len(shown(page)) == 20


def test_players_play_one_at_a_time_and_from_where_the_picture_is_clicked(
    page: webdriver.Chrome,
) -> None:
    players = page.find_elements(By.CSS_SELECTOR, ".example:not([hidden]) audio")[:2]
    page.execute_script("arguments[0].loop = arguments[1].loop = true", *players)
    wait = WebDriverWait(page, 120)
    players[0].send_keys(Keys.SPACE)
    wait.until(lambda _: page.execute_script("return arguments[0].currentTime > 0", players[0]))
    picture = page.find_elements(By.CSS_SELECTOR, ".example:not([hidden]) .sound")[1]
    picture.click()
    wait.until(lambda _: page.execute_script("return !arguments[0].paused", players[1]))
    wait.until(lambda _: page.execute_script("return arguments[0].paused", players[0]))
    wait.until(lambda _: picture.find_element(By.CSS_SELECTOR, ".head").is_displayed())
    page.execute_script("arguments[0].pause()", players[1])
    said = page.execute_script(
        "return arguments[0].error && arguments[0].error.message", players[1]
    )
    assert not said


def test_a_page_with_its_own_sounds_plays_them_and_asks_for_nothing(
    driver: webdriver.Chrome, built: Built, tmp_path: Path
) -> None:
    run = built[0].runs[0].directory
    report = build_report([run], tmp_path, embed_audio=True)
    alone = tmp_path / "mailed" / "mail.html"
    alone.parent.mkdir()
    (tmp_path / "report.html").rename(alone)
    browser.load(driver, alone)
    player = driver.find_element(By.CSS_SELECTOR, ".example:not([hidden]) audio")
    driver.execute_script("arguments[0].preload = 'auto'; arguments[0].load()", player)
    wait = WebDriverWait(driver, 120)
    length = "return arguments[0].readyState > 0 && arguments[0].duration"
    wait.until(lambda _: driver.execute_script(length, player))
    clip = report.primary.examples[0].clip
    assert clip is not None
    assert driver.execute_script(length, player) == pytest.approx(clip.duration_s, abs=1e-3)
    picture = driver.find_element(By.CSS_SELECTOR, ".example:not([hidden]) .sound img")
    driver.execute_script("arguments[0].scrollIntoView()", picture)
    wait.until(lambda _: driver.execute_script("return arguments[0].naturalWidth > 0", picture))
    driver.execute_script("arguments[0].loop = true", player)
    player.send_keys(Keys.SPACE)
    wait.until(lambda _: driver.execute_script("return arguments[0].currentTime > 0", player))
    driver.execute_script("arguments[0].pause()", player)
    assert browser.console_lines(driver) == []
    assert browser.leaving(driver, alone.parent) == []


def test_the_page_is_readable_on_a_phone_in_the_dark_and_on_paper(page: webdriver.Chrome) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    )
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [dark]})
    assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    colours = page.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    ink, paper = (_brightness(str(each)) for each in colours)
    assert ink > 4 * paper
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    wait = WebDriverWait(page, 60)
    for name in ("nav", ".tools", "audio"):
        wait.until(partial(_gone, page, name), name)
    assert not _gone(page, ".lead")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def _gone(page: webdriver.Chrome, name: str, *_: object) -> bool:
    script = "return getComputedStyle(document.querySelector(arguments[0])).display"
    return bool(page.execute_script(script, name) == "none")


def _brightness(colour: str) -> float:
    return sum(int(each) for each in colour.split("(")[1].strip(")").split(",")[:3]) + 1


def test_the_policy_stops_what_a_hole_in_the_escaping_would_let_in(
    driver: webdriver.Chrome, built: Built
) -> None:
    browser.load(driver, built[3] / "report.html")
    blocked = driver.execute_async_script(
        """const done = arguments[0], found = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          found.push(event.effectiveDirective);
          if (found.length === 3) done(found);
        });
        const add = (name, key, value) => {
          const element = document.createElement(name);
          element[key] = value;
          document.body.append(element);
        };
        add("img", "src", "http://192.0.2.1/x.png");
        add("script", "textContent", "window.ran = 1");
        add("iframe", "src", "http://192.0.2.1/");"""
    )
    assert sorted(blocked) == ["frame-src", "img-src", "script-src-elem"]
    assert driver.execute_script("return window.ran") is None
    assert browser.leaving(driver, built[3]) == []


def test_hostile_strings_are_shown_verbatim_and_run_nothing(
    driver: webdriver.Chrome, tmp_path: Path
) -> None:
    assert len(set(HOSTILE)) >= 60
    build_report([hostile_run(tmp_path / "run")], tmp_path / "out")
    browser.load(driver, tmp_path / "out" / "report.html")
    assert browser.hostile_shown(driver) == list(range(len(HOSTILE)))
    for name in ("sort", "reason"):
        select = Select(driver.find_element(By.ID, name))
        select.select_by_index(len(select.options) - 1)
    driver.execute_script(
        """document.querySelectorAll("[data-facet]").forEach((each) => {
             each.selectedIndex = 1;
             each.dispatchEvent(new Event("change", {bubbles: true}));
           });"""
    )
    assert driver.execute_script("return window.ran") is None
    assert browser.console_lines(driver) == []
    assert browser.leaving(driver, tmp_path / "out") == []
