"""Names of arms: our four, and the same with the name of their run where several runs have them.

Pure. ``lora (second)`` is the arm ``lora`` of the run directory ``second``.
"""

from __future__ import annotations

from collections.abc import Sequence

from asr_adapt.records import ARMS


def split_arm(arm: str) -> tuple[str, str]:
    """Return which of our arms it is and what follows its name; an arm of another name as it is.

    >>> split_arm("lora+bias (second)"), split_arm("base"), split_arm("large (v3)")
    (('lora+bias', ' (second)'), ('base', ''), ('large (v3)', ''))
    """
    kind, space, rest = arm.partition(" (")
    return (kind, space + rest) if kind in ARMS else (arm, "")


def of_run(arm: str, label: str) -> str:
    """Return the name of an arm of one run among several."""
    return f"{arm} ({label})"


def told(arm: str) -> str:
    """Return the name of the same arm told the context."""
    kind, run = split_arm(arm)
    return f"{kind}+bias{run}"


def same_weights(arm: str) -> str:
    """Return the kind of an arm without what it was told: ``base``, ``lora`` or its own name."""
    return split_arm(arm)[0].removesuffix("+bias")


def partner(kind: str, run: str, arms: Sequence[str]) -> str | None:
    """Return the arm of a kind in a run, or the one that all runs share; None if there is none."""
    return next((each for each in (kind + run, kind) if each in arms), None)
