"""Reads the weight container of CTranslate2, the format of faster-whisper's ``model.bin``.

Bytes in, named arrays out; `asr_adapt.base_weights.ctranslate2_whisper` gives them their
transformers names. Quantised weights are multiplied out, so what comes back is float16 or float32.
Refuses what is not such a container, is cut short or contradicts itself: a wrong length must not
become a wrong model. Neither torch nor ctranslate2 is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr_adapt.errors import EnvironmentProblem

BINARY_VERSION = 6
"""The container version that is read, the one that CTranslate2 3 and 4 write.

Source: ``CURRENT_BINARY_VERSION`` and ``_serialize`` in
https://github.com/OpenNMT/CTranslate2/blob/master/python/ctranslate2/specs/model_spec.py
"""

Array = npt.NDArray[Any]
Decoded = npt.NDArray[np.float32] | npt.NDArray[np.float16]

_BFLOAT16 = 5
_DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2", _BFLOAT16: "<u2"}
_SCALE = "_scale"
_MAX_RANK = 4  # a Whisper has no more than 3, its convolutions


@dataclass(frozen=True, slots=True)
class Container:
    """What a ``model.bin`` holds.

    Attributes:
        spec: the kind of model, such as ``WhisperSpec``.
        revision: the version of that kind's layout.
        settings: scalar variables by name, such as ``encoder/num_heads``.
        tensors: weights by name, aliases included; float16 or float32, shapes as in CTranslate2.
    """

    spec: str
    revision: int
    settings: Mapping[str, float]
    tensors: Mapping[str, Decoded]


class _Cursor:
    """Reads the little-endian container from front to back and never past its end."""

    def __init__(self, data: bytes, source: str) -> None:
        self.view = memoryview(data)
        self.source = source
        self.offset = 0

    def take(self, size: int, what: str) -> memoryview:
        """Return the next ``size`` bytes; ``what`` names them in the error."""
        end = self.offset + size
        if end > len(self.view):
            raise EnvironmentProblem(
                f"{self.source}: ends at byte {len(self.view)} in the middle of {what}; "
                "the file is cut short, fetch it again"
            )
        piece = self.view[self.offset : end]
        self.offset = end
        return piece

    def number(self, code: str, what: str) -> int:
        """Return one unsigned number: ``B`` 1, ``H`` 2 or ``I`` 4 bytes."""
        layout = f"<{code}"
        return int(struct.unpack(layout, self.take(struct.calcsize(layout), what))[0])

    def string(self, what: str) -> str:
        """Return a string: u16 length that counts the closing NUL, then the bytes."""
        raw = bytes(self.take(self.number("H", what), what))
        if not raw.endswith(b"\0"):
            raise self.broken(f"{what} does not end with a zero byte")
        try:
            return raw[:-1].decode("utf-8")
        except UnicodeDecodeError:
            raise self.broken(f"{what} is not text") from None

    def broken(self, reason: str) -> EnvironmentProblem:
        """Return the error for a file that contradicts itself."""
        return EnvironmentProblem(
            f"{self.source}: not a usable CTranslate2 model ({reason} near byte {self.offset}); "
            "fetch it again or convert it again"
        )


def _read_header(cursor: _Cursor) -> tuple[str, int]:
    version = cursor.number("I", "the header")
    if version != BINARY_VERSION:
        raise EnvironmentProblem(
            f"{cursor.source}: not a CTranslate2 model of version {BINARY_VERSION} "
            f"(found {version}); give a faster-whisper directory, or one that transformers saved "
            "as safetensors"
        )
    return cursor.string("the model kind"), cursor.number("I", "the revision")


def _read_variable(cursor: _Cursor) -> tuple[str, int, Array]:
    name = cursor.string("a variable name")
    rank = cursor.number("B", f"the shape of '{name}'")
    if rank > _MAX_RANK:
        raise cursor.broken(f"'{name}' has {rank} dimensions")
    shape = [cursor.number("I", f"the shape of '{name}'") for _ in range(rank)]
    type_id = cursor.number("B", f"the type of '{name}'")
    size = cursor.number("I", f"the size of '{name}'")
    if type_id not in _DTYPES:
        raise cursor.broken(f"'{name}' has the unknown data type {type_id}")
    dtype = np.dtype(_DTYPES[type_id])
    expected = dtype.itemsize
    for dim in shape:
        expected *= dim
    # Sizes are u32 in the file, so a tensor of 4 GiB or more wraps; no Whisper has one.
    if size != expected:
        raise cursor.broken(f"'{name}' has {size} bytes where its shape {shape} needs {expected}")
    return name, type_id, np.frombuffer(cursor.take(size, f"'{name}'"), dtype).reshape(shape)


def _bfloat16_to_float32(bits: Array) -> npt.NDArray[np.float32]:
    # bfloat16 is the upper half of a float32.
    return (bits.astype(np.uint32) << 16).view(np.float32)


def dequantise(values: Array, scale: Array) -> npt.NDArray[np.float32]:
    """Return the weights that integers and their scales stand for.

    CTranslate2 stores ``round(weight * scale)``: for int8 with one scale per row (127 over the
    largest magnitude of the row), for int16 with one for the whole tensor.
    Source: https://opennmt.net/CTranslate2/quantization.html

    Args:
        values: int8 or int16, shape (rows, ...).
        scale: shape (rows,), or one number.

    Raises:
        ValueError: no integers, or the number of scales is neither 1 nor the number of rows, or
            one of them is not usable.
    """
    if values.dtype.kind != "i" or values.ndim == 0:
        raise ValueError("a scale that goes with something else than rows of integers")
    factors = np.asarray(scale, np.float32).reshape(-1)
    if factors.size not in (1, values.shape[0]):
        raise ValueError(f"{factors.size} scales for {values.shape[0]} rows")
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ValueError("a scale that is not a positive number")
    per_row = factors.reshape((-1,) + (1,) * (values.ndim - 1))
    return np.asarray(values.astype(np.float32) / per_row, np.float32)


def _decode(cursor: _Cursor, raw: Mapping[str, tuple[int, Array]]) -> dict[str, Decoded]:
    """Return all tensors as floats; scales are used up."""
    decoded: dict[str, Decoded] = {}
    for name, (type_id, values) in raw.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in raw:
            continue
        scale = raw.get(name + _SCALE)
        if scale is not None:
            try:
                decoded[name] = dequantise(values, scale[1])
            except ValueError as error:
                raise cursor.broken(f"'{name}': {error}") from None
        elif type_id == _BFLOAT16:
            decoded[name] = _bfloat16_to_float32(values)
        elif values.dtype.kind == "f":
            decoded[name] = values
        else:
            raise cursor.broken(f"'{name}' holds integers but no scale goes with it")
    return decoded


def _read_aliases(cursor: _Cursor) -> list[tuple[str, str]]:
    count = cursor.number("I", "the list of aliases")
    return [(cursor.string("an alias"), cursor.string("an alias")) for _ in range(count)]


def _add_aliases(
    cursor: _Cursor,
    tensors: dict[str, Decoded],
    raw_names: set[str],
    aliases: list[tuple[str, str]],
) -> None:
    for alias, target in aliases:
        if target not in raw_names:
            raise cursor.broken(f"alias '{alias}' points to '{target}', which is not there")
        if alias in raw_names:
            raise cursor.broken(f"'{alias}' is both a variable and an alias")
        # The alias of a scale says nothing new: its tensor is an alias as well.
        if target in tensors:
            tensors[alias] = tensors[target]


def parse_container(data: bytes, source: str) -> Container:
    """Read a container from memory.

    Args:
        data: the whole file; the arrays returned are views into it where nothing had to be decoded.
        source: where the bytes are from, for error messages.

    Raises:
        EnvironmentProblem: another format or version, cut short, or inconsistent.
    """
    cursor = _Cursor(data, source)
    spec, revision = _read_header(cursor)
    settings: dict[str, float] = {}
    raw: dict[str, tuple[int, Array]] = {}
    for _ in range(cursor.number("I", "the number of variables")):
        name, type_id, values = _read_variable(cursor)
        if name in raw or name in settings:
            raise cursor.broken(f"'{name}' is there twice")
        if values.ndim == 0 and not name.endswith(_SCALE):
            settings[name] = float(values)
        else:
            raw[name] = (type_id, values)
    aliases = _read_aliases(cursor)
    if cursor.offset != len(data):
        raise cursor.broken(f"{len(data) - cursor.offset} bytes follow the end")
    tensors = _decode(cursor, raw)
    _add_aliases(cursor, tensors, set(raw), aliases)
    return Container(spec, revision, settings, tensors)
