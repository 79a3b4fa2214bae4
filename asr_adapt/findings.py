"""What `asr-adapt doctor` found, and how it is written: used by the doctor's modules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: what it is about, one or two words.
        status: ``ok``; ``warning``: works, but not all of it or not well; ``problem``: commands
            will fail.
        what: what was found.
        advice: what to do; empty if nothing.
    """

    area: str
    status: Status
    what: str
    advice: str = ""


def render_findings(findings: Iterable[Finding]) -> str:
    """Return the findings as lines of text, advice below each, a summary last."""
    shown = list(findings)
    width = max((len(finding.area) for finding in shown), default=0)
    lines: list[str] = []
    for finding in shown:
        lines.append(f"{finding.status:<8} {finding.area:<{width}}  {finding.what}")
        if finding.advice:
            lines.append(f"{'':<8} {'':<{width}}  -> {finding.advice}")
    counts = {kind: sum(f.status == kind for f in shown) for kind in ("problem", "warning")}
    lines.append(f"{counts['problem']} problems, {counts['warning']} warnings")
    return "\n".join(lines)
