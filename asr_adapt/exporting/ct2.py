"""A transformers folder as a CTranslate2 model, which faster-whisper reads."""

from __future__ import annotations

import shutil
from pathlib import Path

BESIDE = ("tokenizer.json", "preprocessor_config.json")
"""Files that faster-whisper reads beside the weights."""


def convert(folder: Path, out: Path, precision: str) -> None:
    """Convert with CTranslate2's own converter.

    Args:
        folder: of transformers.
        out: is there, and empty.
        precision: of the weights: ``float32``, ``float16`` or ``int8``.
    """
    from ctranslate2.converters import TransformersConverter

    # It refuses a folder that is there, unless it may empty it.
    TransformersConverter(str(folder)).convert(str(out), quantization=precision, force=True)
    for name in BESIDE:
        shutil.copyfile(folder / name, out / name)
