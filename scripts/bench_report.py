#!/usr/bin/env python3
"""Count what the report and the importers stand, and time the way from a CSV to an open report.

    scripts/bench_report.py --out scripts/results/report.json --parts counts,hostile
    scripts/bench_report.py --out scripts/results/report.json --parts page --run runs/maritime
    scripts/bench_report.py --out scripts/results/report.json --parts time

counts: formats whose own writers made the fixtures, and malformed files, from the tests that read
them. hostile: strings shown verbatim in Chromium. page: a real run's first page against its
report.json. time: 100 spoken clips from `asr-adapt eval` to the first line of progress and to the
open report. Parts that are not asked for keep their numbers. Needs chromium and chromium-driver.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the tests are no installed package

from asr_adapt.environment import describe_machine, package_versions, source_commit  # noqa: E402
from asr_adapt.files import write_json  # noqa: E402
from asr_adapt.reporting.build import build_report  # noqa: E402
from tests import browser  # noqa: E402

CLIPS = 100
WEIGHTS = "whisper-tiny.en"
CALL = "station {0}, this is vessel {1}, switch to channel {2}, over"
COUNT = re.compile(r"\b\d+/\d+\b")


def main() -> None:
    """Read the command line, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", default="counts,hostile,time")
    parser.add_argument("--run", type=Path, help="run directory for the part page")
    options = parser.parse_args()
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "counts": lambda _: count_tests(),
        "hostile": show_hostile,
        "page": lambda folder: compare_page(options.run, folder),
        "time": time_eval,
    }
    result = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    for part in options.parts.split(","):
        with tempfile.TemporaryDirectory() as folder:
            result[part] = {
                **parts[part](Path(folder)),
                "command": f"scripts/bench_report.py --parts {part}",
                "commit": source_commit(),
            }
    result["command"] = "scripts/bench_report.py --parts counts,hostile,page,time --run RUN"
    result |= {"versions": package_versions(), "environment": describe_machine("cpu")}
    write_json(options.out, result)
    print(json.dumps(result, indent=1))


def count_tests() -> dict[str, Any]:
    """Count the cases of the tests of importers."""
    from tests.test_formats import WRITERS
    from tests.test_malformed import CASES

    return {"formats": len(WRITERS), "names": list(WRITERS), "malformed": len(CASES)}


def show_hostile(folder: Path) -> dict[str, Any]:
    """Open a report full of hostile strings and count those shown as they are."""
    from tests.hostile import HOSTILE, hostile_run

    build_report([hostile_run(folder / "run")], folder / "out")
    with browser.open_browser() as driver:
        browser.load(driver, folder / "out" / "report.html")
        return {
            "given": len(set(HOSTILE)),
            "shown": len(browser.hostile_shown(driver)),
            "ran": driver.execute_script("return window.ran ? 1 : 0"),
            "requests_outside": len(browser.leaving(driver, folder / "out")),
            "console_lines": len(browser.console_lines(driver)),
        }


def compare_page(run: Path, folder: Path) -> dict[str, Any]:
    """Compare a real run's first page with its report.json."""
    build_report([run], folder)
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    with browser.open_browser() as driver:
        browser.load(driver, folder / "report.html")
        numbers = browser.expected_numbers(content)
        text = browser.answer_text(driver)
        return {
            "run": run.name,
            "cards_equal": browser.first_page(driver) == browser.expected_cards(content),
            "numbers": len(numbers),
            "numbers_equal": sum(each in text for each in numbers),
            "requests_outside": len(browser.leaving(driver, folder)),
            "console_lines": len(browser.console_lines(driver)),
        }


def time_eval(folder: Path) -> dict[str, Any]:
    """Time `asr-adapt eval` on a CSV of spoken clips, to its first lines and to the open page."""
    speak(folder)
    command = [
        *(sys.executable, "-m", "asr_adapt", "eval", "calls.csv"),
        *("--model", WEIGHTS, "--out", "run"),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)  # noqa: S603 - ours
    lines: list[tuple[float, str]] = []
    for line in process.stderr or ():
        lines.append((round(time.perf_counter() - began, 2), line.strip()))
    if process.wait():
        raise SystemExit(f"eval ended with {process.returncode}: {lines[-5:]}")
    written_s = time.perf_counter() - began
    with browser.open_browser() as driver:
        opened = time.perf_counter()
        browser.load(driver, folder / "run" / "report.html")
        open_s = time.perf_counter() - opened
    counted = next(each for each in lines if COUNT.search(each[1]))
    return {
        "clips": CLIPS,
        "first_line_s": lines[0][0],
        "first_line": lines[0][1],
        "first_count_s": counted[0],
        "first_count": counted[1],
        "report_s": round(written_s, 1),
        "open_report_s": round(written_s + open_s, 1),
        "eval": " ".join(["asr-adapt", *command[3:]]),
    }


def speak(folder: Path) -> None:
    """Write a CSV of spoken calls and their sounds."""
    import hibari
    import numpy as np
    import soundfile

    voice = hibari.Hibari()
    names = ("alpha", "bravo", "delta", "echo", "foxtrot", "golf", "hotel", "kilo", "lima", "mike")
    with (folder / "calls.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["audio", "text", "speaker"])
        for i in range(CLIPS):
            text = CALL.format(names[i % 10], names[(i // 10 + 3) % 10], 6 + i % 17)
            sound = np.asarray(voice(text), np.float32)
            soundfile.write(folder / f"call{i:03d}.wav", sound, 24000)
            rows.writerow([f"call{i:03d}.wav", text, f"speaker{i % 10}"])


if __name__ == "__main__":
    main()
