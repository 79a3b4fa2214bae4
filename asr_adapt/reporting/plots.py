"""Draw the plots of a report as inline SVG that fits a light and a dark page; paint sounds as PNG.

The home of matplotlib. Text and axes take the colour of the page (``currentColor``), styles become
plain attributes so that a strict content security policy lets them through, and the same numbers
always give the same bytes.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from asr_adapt.reporting.arms import split_arm
from asr_adapt.spectrogram import RANGE_DB

ARM_COLOURS = {
    "base": "#7f8790",
    "base+bias": "#c77d1e",
    "lora": "#2f86c9",
    "lora+bias": "#2a9d74",
}
"""Middle tones: at least 3:1 against white and against the dark page (WCAG 2.2, 1.4.11)."""

ARM_MARKERS = {"base": "o", "base+bias": "D", "lora": "s", "lora+bias": "^"}
"""Shapes beside colours, for readers and printers that do not tell the colours apart."""

RUN_STYLES = ("-", "--", ":", "-.")
"""Lines of several runs on one plot."""

OTHER_COLOUR = "#a86bb5"
SOUND_COLOURS = "magma"
"""From black over red to pale yellow, lightness rising evenly: it can be read without colours,
on a light page, on a dark one and on paper (bids.github.io/colormap)."""
SHADES = 64
"""Steps of 1.25 dB: finer than is seen."""
WAVE_ROWS = 32
WAVE_SHADE = 46
QUIETEST_SAMPLE = 2**-10
"""A sound below this is drawn as flat: it is silence, not a wave."""
_INK = "#010203"  # replaced by currentColor; no arm uses it
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "asr-adapt",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a label is a label, whatever signs are in it
}


@dataclass(frozen=True, slots=True)
class ArmPoint:
    """One arm in the plot of arms: word error rate and its interval, as fractions."""

    name: str
    label: str
    wer: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: ``points`` are (x, y); for error rates y is a fraction."""

    name: str
    label: str
    points: tuple[tuple[float, float], ...]


def plot_arms(arms: Sequence[ArmPoint]) -> str:
    """Return an SVG of the arms' word error rates with their intervals, first arm on top."""

    def paint(axes: Axes) -> None:
        for row, arm in enumerate(arms):
            _paint_arm(axes, row, arm)
        axes.set_yticks(range(len(arms)), [arm.label for arm in arms])
        axes.set_ylim(len(arms) - 0.5, -0.6)
        axes.set_xlim(0, _room(arms))
        axes.set_xlabel("word error rate, %")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=_INK, alpha=0.15, linewidth=0.6)

    title = "Word error rate of each arm with its 95 % interval"
    return _draw(paint, 0.75 + 0.48 * len(arms), title)


def _room(arms: Sequence[ArmPoint]) -> float:
    highest = max([100 * (arm.high or arm.wer) for arm in arms] or [0.0])
    return max(highest * 1.12, 1.0)


def _paint_arm(axes: Axes, row: int, arm: ArmPoint) -> None:
    kind = split_arm(arm.name)[0]
    colour = ARM_COLOURS.get(kind, OTHER_COLOUR)
    wer = 100 * arm.wer
    if arm.low is not None and arm.high is not None:
        bounds = [100 * arm.low, 100 * arm.high]
        axes.plot(bounds, [row, row], color=colour, linewidth=5, alpha=0.45, clip_on=False)
    marker = ARM_MARKERS.get(kind, "o")
    axes.plot([wer], [row], marker=marker, color=colour, markersize=9, clip_on=False)
    axes.annotate(
        f"{wer:.1f} %", (wer, row), xytext=(0, 9), textcoords="offset points", ha="center"
    )


def plot_lines(lines: Sequence[Line], x_label: str, title: str) -> str:
    """Return an SVG of word error rates in per cent over some quantity, one line per arm."""

    def paint(axes: Axes) -> None:
        runs = list(dict.fromkeys(split_arm(line.name)[1] for line in lines))
        for line in lines:
            kind, run = split_arm(line.name)
            axes.plot(
                [x for x, _ in line.points],
                [100 * y for _, y in line.points],
                color=ARM_COLOURS.get(kind, OTHER_COLOUR),
                marker=ARM_MARKERS.get(kind, "o"),
                linestyle=RUN_STYLES[runs.index(run) % len(RUN_STYLES)],
                label=line.label,
            )
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel("word error rate, %")
        axes.grid(axis="y", color=_INK, alpha=0.15, linewidth=0.6)
        axes.figure.legend(loc="outside lower center", ncols=2)

    return _draw(paint, 3.5, title)


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One arm of a learning curve: ``(minutes, wer, low, high)`` as measured and of its law."""

    name: str
    label: str
    points: tuple[tuple[float, float, float, float], ...]
    band: tuple[tuple[float, float, float, float], ...]


def plot_curve(lines: Sequence[CurveLine]) -> str:
    """Return an SVG of error rates over minutes of labels, each with its law, forecast dashed."""

    def paint(axes: Axes) -> None:
        for line in lines:
            _paint_curve(axes, line)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("minutes of labels")
        axes.set_ylabel("word error rate, %")
        axes.grid(axis="y", color=_INK, alpha=0.15, linewidth=0.6)
        axes.figure.legend(loc="outside lower center", ncols=2)

    title = "Word error rate by minutes of labels, with the fitted law and its 95 % interval"
    return _draw(paint, 3.8, title)


def _paint_curve(axes: Axes, line: CurveLine) -> None:
    colour = ARM_COLOURS.get(line.name, OTHER_COLOUR)
    x, wer, low, high = np.array(line.points).T
    errors = 100 * np.stack([np.maximum(wer - low, 0), np.maximum(high - wer, 0)])
    marker = ARM_MARKERS.get(line.name, "o")
    axes.errorbar(
        x, 100 * wer, errors, fmt=marker, color=colour, label=line.label, clip_on=False, capsize=2
    )
    if not line.band:
        return
    at, law, floor, ceiling = np.array(line.band).T
    measured = at <= x.max() * 1.001
    ahead = at >= at[measured].max()
    axes.fill_between(at, 100 * floor, 100 * ceiling, color=colour, alpha=0.15, linewidth=0)
    axes.plot(at[measured], 100 * law[measured], color=colour)
    axes.plot(at[ahead], 100 * law[ahead], color=colour, linestyle="--")


def plot_training(loss: Line | None, dev_wer: Line | None) -> str:
    """Return an SVG of training loss (left axis) and dev word error rate (right axis) by step."""

    def paint(axes: Axes) -> None:
        axes.set_xlabel("training step")
        if loss:
            axes.plot(*zip(*loss.points, strict=True), color=ARM_COLOURS["base"], label=loss.label)
            axes.set_ylabel("loss")
        if dev_wer:
            right = axes.twinx() if loss else axes
            right.plot(
                [x for x, _ in dev_wer.points],
                [100 * y for _, y in dev_wer.points],
                color=ARM_COLOURS["lora"],
                marker="s",
                label=dev_wer.label,
            )
            right.set_ylim(bottom=0)
            right.set_ylabel("dev word error rate, %")
            right.spines["right"].set_visible(True)
        axes.figure.legend(loc="outside lower center", ncols=2)

    return _draw(paint, 3.0, "Training loss and word error rate on the dev set by step")


def plot_strengths(lines: Sequence[Line], used: float | None) -> str:
    """Return an SVG of error rates on dev speech over the strength of an adapter; one is marked."""

    def paint(axes: Axes) -> None:
        for line in lines:
            axes.plot(
                [x for x, _ in line.points],
                [100 * y for _, y in line.points],
                color=ARM_COLOURS[line.name],
                marker=ARM_MARKERS[line.name],
                label=line.label,
                clip_on=False,
            )
        if used is not None:
            axes.axvline(used, color=_INK, alpha=0.5, linewidth=1, linestyle=":", label="applied")
        axes.set_ylim(bottom=0)
        axes.set_xticks([x for x, _ in lines[0].points])
        axes.set_xlabel("strength of the adapter")
        axes.set_ylabel("word error rate, %")
        axes.grid(axis="y", color=_INK, alpha=0.15, linewidth=0.6)
        axes.figure.legend(loc="outside lower center", ncols=3)

    return _draw(paint, 2.8, "Word error rate on dev speech by strength of the adapter")


def paint_sound(envelope: NDArray[np.float32], decibels: NDArray[np.float32]) -> bytes:
    """Return a PNG of a sound: its wave above its spectrogram, on one time axis.

    Its pixels are places in a palette, which takes a quarter of the bytes of full colours.

    Args:
        envelope: least and greatest sample of each column, full scale being 1, shape
            ``(2, columns)``.
        decibels: from ``-RANGE_DB`` (dark) to 0 (bright), shape ``(bands, columns)``, the lowest
            band first.
    """
    shown = np.clip(1 + decibels[::-1] / RANGE_DB, 0, 1) * (SHADES - 1)
    pixels = np.vstack([_paint_wave(envelope), shown.astype(np.uint8)])
    picture = Image.fromarray(pixels)
    palette = mpl.colormaps[SOUND_COLOURS](np.linspace(0, 1, SHADES), bytes=True)[:, :3]
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _paint_wave(envelope: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return shades of shape ``(WAVE_ROWS, columns)``; the loudest sample reaches the edges."""
    loudest = max(float(np.abs(envelope).max(initial=0.0)), QUIETEST_SAMPLE)
    middle = (WAVE_ROWS - 1) / 2
    low, high = np.round(middle - middle * envelope / loudest)
    rows = np.arange(WAVE_ROWS)[:, None]
    inside = (rows >= high) & (rows <= low)
    return np.where(inside, WAVE_SHADE, 0).astype(np.uint8)


def _draw(paint: Callable[[Axes], None], height_in: float, title: str) -> str:
    """Draw on a figure 5.6 inches wide: narrow enough for its text to be read on a phone."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(5.6, height_in), layout="constrained")
        paint(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return _tidy(buffer.getvalue(), title)


def _tidy(svg: str, title: str) -> str:
    """Make matplotlib's SVG embeddable: page colours, no style attributes, a title to read out."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    # The text is matplotlib's own output, made here; nothing untrusted is parsed.
    root = ElementTree.fromstring(svg[svg.index("<svg") :])  # noqa: S314
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
        _flatten(parent)
        if parent.tag == f"{{{_SVG}}}g":
            parent.attrib.pop("id", None)  # several plots stand on one page
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    return ElementTree.tostring(root, encoding="unicode")


def _flatten(element: ElementTree.Element) -> None:
    declarations = element.attrib.pop("style", "")
    for declaration in filter(None, (part.strip() for part in declarations.split(";"))):
        key, _, value = declaration.partition(":")
        if key.strip() == "font-family":
            continue  # the page's
        if key.strip() == "font":
            _set_font(element, value.strip())
        else:
            element.set(key.strip(), value.strip())
    for key, value in element.attrib.items():
        if value == _INK:
            element.set(key, "currentColor")
    if element.tag == f"{{{_SVG}}}text" and "fill" not in element.attrib:
        element.set("fill", "currentColor")


def _set_font(element: ElementTree.Element, value: str) -> None:
    """Keep the size of a font shorthand; the family is the page's."""
    size = re.search(r"([\d.]+)px", value)
    if size:
        element.set("font-size", size.group(1))
