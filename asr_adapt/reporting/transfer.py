"""The transfer matrix: adapters of several runs against the test sets they all decoded.

Reads scored sets, gives one table: rows are the untouched model and the adapters, columns test
sets. What the report shows of it and what ``scripts/transfer`` stores is the same object. Sets
without speech have no error rate and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asr_adapt.reporting.arms import partner, split_arm
from asr_adapt.reporting.results import SetReport
from asr_adapt.reporting.runs import Run, run_labels

UNTOUCHED = "none"
"""The row of the base model as it comes."""

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one adapter makes of one test set; rates are fractions.

    Attributes:
        wer: its word error rate.
        wer_ci95: 95 % interval of that.
        difference: WER of the adapter less that of the untouched model on the same utterances; None
            for the untouched model.
        difference_ci95: 95 % interval of the paired difference.
    """

    wer: float
    wer_ci95: Bounds | None = None
    difference: float | None = None
    difference_ci95: Bounds | None = None

    @property
    def verdict(self) -> str | None:
        """``better`` or ``worse`` than the untouched model for certain, else ``unclear``."""
        if self.difference_ci95 is None:
            return None
        low, high = self.difference_ci95
        return "better" if high < 0 else "worse" if low > 0 else "unclear"


@dataclass(frozen=True, slots=True)
class Column:
    """A test set: its short name, what it is, and its role."""

    name: str
    title: str
    role: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """The table: ``cells`` by (name of the row, name of the set); absent where not decoded."""

    rows: tuple[str, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[str, str], Cell]


def find_transfer(
    runs: Sequence[Run], parts: Iterable[SetReport], fewest: int = 2
) -> Transfer | None:
    """Return the table of the sets that enough adapters decoded; None where there is none.

    Runs of one adapter at one strength share a row, which has the label of the first of them. Only
    what the arms ``base`` and ``lora`` heard counts: nobody was told anything.

    Args:
        runs: as they were read.
        parts: their joined sets, scored.
        fewest: adapters that a set needs: with one alone, its own report says as much.
    """
    names = _row_names(runs)
    columns: list[Column] = []
    cells: dict[tuple[str, str], Cell] = {}
    for part in parts:
        tuned = _tuned(part, names)
        if len(tuned) < fewest:
            continue
        entry = part.entry
        columns.append(Column(entry.name, entry.title, entry.role))
        found = {**_untouched(part), **tuned}
        cells |= {(row, entry.name): cell for row, cell in found.items()}
    if not columns:
        return None
    known = dict.fromkeys(row for row, _ in cells)
    adapters = dict.fromkeys(names.values())
    rows = [row for row in known if row not in adapters] + [row for row in adapters if row in known]
    return Transfer(tuple(rows), tuple(columns), cells)


def _row_names(runs: Sequence[Run]) -> dict[str, str]:
    """Return the name of the adapter's row for the label of each run that used one."""
    first: dict[tuple[object, object], str] = {}
    names = {}
    for label, run in zip(run_labels(runs), runs, strict=True):
        if run.adapter is not None and _has_tuned(run):
            weights = (run.adapter.get("sha256", label), run.adapter.get("strength"))
            names[label] = first.setdefault(weights, label)
    return names


def _has_tuned(run: Run) -> bool:
    return any(row.arm == "lora" for entry in run.sets for row in entry.hypotheses)


def _tuned(part: SetReport, names: Mapping[str, str]) -> dict[str, Cell]:
    """Return the cells of all adapters that decoded a set, by row."""
    arms = [arm.arm for arm in part.rated]
    bases = _bases(arms)
    cells: dict[str, Cell] = {}
    for label in part.entry.runs:
        arm = partner("lora", f" ({label})", arms) if label in names else None
        if arm is None:
            continue
        base = partner("base", f" ({label})", bases)
        only = bases[0] if len(bases) == 1 else None
        cells.setdefault(names[label], _cell(part, arm, base or only))
    return cells


def _untouched(part: SetReport) -> dict[str, Cell]:
    """Return the cells of the base model; by run where runs have other base models."""
    bases = _bases([arm.arm for arm in part.rated])
    if len(bases) == 1:
        return {UNTOUCHED: _cell(part, bases[0], None)}
    return {UNTOUCHED + split_arm(arm)[1]: _cell(part, arm, None) for arm in bases}


def _bases(arms: Sequence[str]) -> list[str]:
    return [arm for arm in arms if split_arm(arm)[0] == "base"]


def _cell(part: SetReport, arm: str, base: str | None) -> Cell:
    score = part.scores.arm(arm)
    plain = Cell(score.wer or 0.0, score.wer_ci95)
    if base is None:
        return plain
    if found := part.comparison(base, arm):
        return Cell(plain.wer, plain.wer_ci95, found.wer_difference, found.ci95)
    if found := part.comparison(arm, base):
        low, high = found.ci95
        return Cell(plain.wer, plain.wer_ci95, -found.wer_difference, (-high, -low))
    return plain


def transfer_to_json(found: Transfer) -> dict[str, Any]:
    """Return the table as a JSON object."""
    return {
        "adapters": list(found.rows),
        "sets": [{"name": c.name, "title": c.title, "role": c.role} for c in found.columns],
        "cells": [
            {
                "adapter": row,
                "set": name,
                "wer": cell.wer,
                "wer_ci95": _listed(cell.wer_ci95),
                "difference": cell.difference,
                "difference_ci95": _listed(cell.difference_ci95),
            }
            for (row, name), cell in found.cells.items()
        ],
    }


def _listed(bounds: Bounds | None) -> list[float] | None:
    return list(bounds) if bounds else None


def transfer_from_json(record: Mapping[str, Any]) -> Transfer:
    """Return the table that `transfer_to_json` stored, whatever else the object holds.

    Raises:
        KeyError: something of it is missing.
    """
    return Transfer(
        tuple(record["adapters"]),
        tuple(Column(each["name"], each["title"], each["role"]) for each in record["sets"]),
        {
            (each["adapter"], each["set"]): Cell(
                each["wer"],
                _bounds(each["wer_ci95"]),
                each["difference"],
                _bounds(each["difference_ci95"]),
            )
            for each in record["cells"]
        },
    )


def _bounds(found: Sequence[float] | None) -> Bounds | None:
    return (found[0], found[1]) if found else None
