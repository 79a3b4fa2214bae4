"""Write a report as one HTML page that needs no network.

The page carries its style, its script and its plots; only sounds and their pictures stand beside
it, unless they are embedded. Text from the data is escaped by jinja2, invisible characters are
shown as their code points, and a content security policy lets nothing run but the one script whose
hash it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from asr_adapt.curve.record import Estimate, LearningCurve
from asr_adapt.reporting import context, curve, plots, strength, words
from asr_adapt.reporting.clips import Clip, Picture
from asr_adapt.reporting.examples import REASONS
from asr_adapt.reporting.facets import browse
from asr_adapt.reporting.leads import find_leads
from asr_adapt.reporting.markdown import (
    TRANSFER_LEGEND,
    command,
    title,
    transfer_cell,
    visible,
)
from asr_adapt.reporting.results import Report, SetReport, effort
from asr_adapt.reporting.signs import next_steps
from asr_adapt.reporting.silence import made_up
from asr_adapt.reporting.slices import Breakdown
from asr_adapt.reporting.tables import confused, dropped, dropped_count, silence_rate, term_rows
from asr_adapt.reporting.transfer import find_transfer

MOST_ROWS = 15
MARKS = {"sub": "≠", "del": "−", "ins": "+"}  # noqa: RUF001  # a real minus sign is meant

SPOKEN = {"sub": "other word:", "del": "left out", "ins": "added:"}


def render_html(report: Report) -> str:
    """Return the page."""
    style, script = _asset("style.css"), _asset("script.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            title=title(report),
            policy=_policy(style, script, report.embedded),
            # Both are files of this package.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            training=_training_plot(report),
        )
    )


def _policy(style: str, script: str, embedded: bool) -> str:
    """Allow this style, this script, sounds and pictures from where they are; nothing else.

    That is the page itself if they are embedded, else its folder: ``file:`` is what 'self' stands
    for where a page is opened from disk (W3C CSP Level 3, 6.7).
    """
    media = "data:" if embedded else "'self' file:"
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        f"media-src {media}; img-src {media}; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    folder = resources.files("asr_adapt.reporting") / "templates"
    return (folder / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("asr_adapt.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.globals.update(
        words=words,
        context=context,
        learning=curve,
        curve_plot=_curve_plot,
        strengths=strength,
        strength_plot=_strength_plot,
        marks=MARKS,
        spoken=SPOKEN,
        reasons=REASONS,
        most_rows=MOST_ROWS,
        address=_address,
        place=place,
        browse=browse,
        find_leads=find_leads,
        next_steps=next_steps,
        arm_plot=_arm_plot,
        noise_plot=_noise_plot,
        confused=confused,
        dropped=dropped,
        dropped_count=dropped_count,
        term_rows=term_rows,
        silence_rate=silence_rate,
        made_up=made_up,
        find_transfer=find_transfer,
        transfer_cell=transfer_cell,
        transfer_legend=TRANSFER_LEGEND,
        command=command,
        flat=_flat,
        duration=words.duration,
    )
    return environment


def _finalize(value: object) -> object:
    """Make invisible characters of every printed text visible; our own markup is left alone."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return "".join(visible(sign) for sign in value)
    return value


def _address(of: Clip | Picture) -> Markup:
    """Return where media are; megabytes of base64 that need no escaping and get none."""
    return Markup(of.address)  # noqa: S704  # made by clips of hashes and base64


def place(arm: str) -> int:
    """Return the place of an arm in the palette; the last one for arms of other names."""
    return effort(arm)


def _arm_plot(part: SetReport) -> Markup | None:
    arms = []
    for arm in part.rated:
        low, high = arm.wer_ci95 or (None, None)
        arms.append(plots.ArmPoint(arm.arm, words.plain(arm.arm), arm.wer or 0.0, low, high))
    if not arms:
        return None
    return Markup(plots.plot_arms(arms))  # noqa: S704  # made and escaped by plots


def _noise_plot(part: Breakdown) -> Markup | None:
    lines = []
    for arm in dict.fromkeys(arm for each in part.slices for arm in each.words):
        points = tuple(
            (each.middle, each.words[arm].rate or 0.0)
            for each in part.slices
            if each.middle is not None and arm in each.words
        )
        lines.append(plots.Line(arm, words.plain(arm), points))
    label = part.title
    return Markup(plots.plot_lines(lines, label, f"Word error rate by {label}"))  # noqa: S704


def _curve_plot(found: LearningCurve) -> Markup:
    lines = []
    for arm in found.arm_names:
        points = [(p.minutes, each.wer) for p in found.points if (each := p.arm(arm))]
        fit = next((each for each in found.fits if each.arm == arm), None)
        band = [(each.minutes, each.wer) for each in fit.band] if fit else []
        lines.append(
            plots.CurveLine(arm, words.plain(arm), _with_bounds(points), _with_bounds(band))
        )
    return Markup(plots.plot_curve(lines))  # noqa: S704  # made and escaped by plots


def _strength_plot(found: strength.StrengthCurve) -> Markup:
    lines = [plots.Line(*each) for each in strength.lines(found)]
    return Markup(plots.plot_strengths(lines, found.used))  # noqa: S704  # made by plots


def _with_bounds(
    points: Sequence[tuple[float, Estimate]],
) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((x, y.value, y.low, y.value if y.high is None else y.high) for x, y in points)


def _training_plot(report: Report) -> Markup | None:
    run = report.adapted
    if run is None:
        return None
    loss = _curve(run.record.get("training_curve"), "loss", "training loss")
    dev = _curve((run.adapter or {}).get("dev_wer"), "wer", "dev word error rate")
    if loss is None and dev is None:
        return None
    return Markup(plots.plot_training(loss, dev))  # noqa: S704  # made and escaped by plots


def _curve(rows: object, key: str, label: str) -> plots.Line | None:
    """Read ``[{"step": ..., key: ...}]``; rows that are something else are no points."""
    if not isinstance(rows, list):
        return None
    points = []
    for row in rows:
        step, value = (words.number(row, k) for k in ("step", key)) if _is_row(row) else (None,) * 2
        if step is not None and value is not None:
            points.append((step, value))
    return plots.Line(key, label, tuple(points)) if points else None


def _is_row(row: object) -> bool:
    return isinstance(row, dict)


def _flat(record: object, prefix: str = "") -> list[tuple[str, str]]:
    """List the leaves of a JSON object as (dotted key, text), for a table of settings."""
    if not isinstance(record, Mapping):
        return [(prefix, _leaf(record))]
    rows: list[tuple[str, str]] = []
    for key, value in record.items():
        rows += _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return rows


def _leaf(value: Any) -> str:
    if value is None:
        return words.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_leaf(each) for each in value) if value else words.NONE
    return str(value)
