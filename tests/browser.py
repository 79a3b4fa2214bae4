"""A headless Chromium for tests of the report, and what it says of a page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from asr_adapt.reporting.markdown import visible
from tests.hostile import HOSTILE, hostile_id

PROGRAMS = ("chromium", "chromedriver")


def find_programs() -> tuple[str, str]:
    """Return the paths of Chromium and its driver.

    Raises:
        RuntimeError: one of them is not installed.
    """
    paths = [shutil.which(name) for name in PROGRAMS]
    if None in paths:
        raise RuntimeError(
            f"no {' or no '.join(n for n, p in zip(PROGRAMS, paths, strict=True) if p is None)}: "
            "run 'sudo apt-get install chromium chromium-driver' (scripts/test does so as root)"
        )
    return str(paths[0]), str(paths[1])


@contextmanager
def open_browser(width: int = 1280, height: int = 1000) -> Iterator[webdriver.Chrome]:
    """Start a browser with an empty profile; it is closed at the end."""
    browser, driver = find_programs()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root needs it, and CI is root
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    # Shared machines are slow: nothing here is about speed.
    chrome.set_page_load_timeout(300)
    chrome.set_script_timeout(300)
    try:
        yield chrome
    finally:
        chrome.quit()


def _log(driver: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    """Return what was logged since the last call."""
    return list(driver.get_log(kind))  # type: ignore[no-untyped-call]  # selenium has no type for it


def load(driver: webdriver.Chrome, page: Path) -> None:
    """Open a page from disk; what was logged before is forgotten."""
    _log(driver, "browser")
    _log(driver, "performance")
    driver.get(page.resolve().as_uri())


def console_lines(driver: webdriver.Chrome) -> list[str]:
    """Return what the console says since the page was loaded, of any level."""
    return [entry["message"] for entry in _log(driver, "browser")]


def requests(driver: webdriver.Chrome) -> list[str]:
    """Return the addresses that were asked for since the page was loaded.

    What the page's own policy stopped was never asked for; the console tells of it.
    """
    urls: dict[str, str] = {}
    for entry in _log(driver, "performance"):
        message = json.loads(entry["message"])["message"]
        method, about = message["method"], message["params"]
        if method == "Network.requestWillBeSent":
            urls[about["requestId"]] = str(about["request"]["url"])
        elif method == "Network.loadingFailed" and about.get("blockedReason") == "csp":
            urls.pop(about["requestId"], None)
    return list(urls.values())


def leaving(driver: webdriver.Chrome, folder: Path) -> list[str]:
    """Return the addresses outside a folder that were asked for since the page was loaded.

    ``data:`` is no address but holds what it names: Chromium's own buttons of players.
    """
    inside = (folder.resolve().as_uri() + "/", "data:")
    return [url for url in requests(driver) if not url.startswith(inside)]


def first_page(driver: webdriver.Chrome) -> dict[str, dict[str, str]]:
    """Read the cards of the arms: name to WER and interval as shown."""
    cards: list[dict[str, str]] = driver.execute_script(
        """return Array.from(document.querySelectorAll("#answer .card")).map((card) => ({
             name: card.querySelector(".mono").textContent,
             wer: card.querySelector(".big").textContent,
             interval: card.querySelectorAll(".soft")[1].textContent,
           }));"""
    )
    return {each["name"]: each for each in cards}


def expected_cards(content: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return what the cards must show, computed anew from report.json."""
    return {
        arm["name"]: {
            "name": arm["name"],
            "wer": f"{100 * arm['wer']:.1f} %",
            "interval": "{:.1f} to {:.1f} %".format(*(100 * each for each in arm["wer_ci95"])),
        }
        for arm in content["arms"]
    }


def expected_numbers(content: dict[str, Any]) -> list[str]:
    """Return the numbers that the first page's sentences must hold, from report.json."""
    digits = [0 if arm["wer"] >= 0.2 else 1 for arm in content["arms"]]
    found = []
    for arm, places in zip(content["arms"], digits, strict=True):
        low, high = (f"{100 * each:.{places}f}" for each in arm["wer_ci95"])
        found.append(f"{100 * arm['wer']:.{places}f} %")
        found.append(f"({low} to {high})")
    for each in content["comparisons"]:
        if (each["a"], each["b"]) in (("base", "base+bias"), ("base", "lora")):
            found.append(f"{abs(100 * each['wer_difference']):.1f} points")
    found += [each["text"] for each in content["advice"]]
    adapter = content["run"].get("adapter")
    if adapter:
        found.append(f"{adapter['minutes_of_labels']:.0f} minutes")
        found.append(f"{adapter['size_bytes'] / 1e6:.1f} MB")
    return found


def answer_text(driver: webdriver.Chrome) -> str:
    """Return all text of the first page, white space evened out."""
    text = driver.execute_script("return document.getElementById('answer').textContent;")
    return " ".join(str(text).split())


def hostile_shown(driver: webdriver.Chrome) -> list[int]:
    """Return the places of the hostile strings that are shown verbatim wherever they belong.

    That is as id, as reference, text, prompt, context and speaker of an utterance, as a speaker to
    narrow down by, and in the words to search for. Invisible signs are shown as code points.
    """
    articles = driver.execute_script(
        """return Array.from(document.querySelectorAll(".example")).map((each) => [
             each.querySelector(".mono").textContent,
             Array.from(each.querySelectorAll("details dd")).map((one) => one.textContent),
           ]);"""
    )
    options = driver.execute_script(
        "return Array.from(document.querySelectorAll('.facets option')).map((o) => o.textContent);"
    )
    places = []
    for place, payload in enumerate(HOSTILE):
        text = "".join(visible(sign) for sign in payload)
        details = next((lines for name, lines in articles if name == hostile_id(place)), None)
        wanted = [f"{text} said", f"{text} heard", f"prompt: {text}", f"{text}, said"]
        if not details:
            continue
        everywhere = all(any(each in line for line in details) for each in wanted)
        if everywhere and hostile_id(place) in details and hostile_id(place) in options:
            places.append(place)
    return places
