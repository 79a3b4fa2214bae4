"""The container reader, on containers that the tests write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.base_weights.ctranslate2_format import dequantise, parse_container
from asr_adapt.errors import EnvironmentProblem
from tests.ct2_writer import Array, container

SMALL = container(
    {
        "a/weight": np.arange(6, dtype=np.int8).reshape(2, 3),
        "a/weight_scale": np.array([2.0, 4.0], np.float32),
        "heads": np.array(6, np.int16),
        "b": np.ones(2, np.float16),
    },
    {"c/weight": "a/weight", "c/weight_scale": "a/weight_scale"},
)


def test_every_type_and_alias_is_read_back() -> None:
    floats = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)
    written: dict[str, Array] = {
        "f32": floats,
        "f16": floats.astype(np.float16),
        "bf16": (floats.view(np.uint32) >> 16).astype(np.uint16),
        "i16": np.array([[512, -1024]], np.int16),
        "i16_scale": np.array(1024.0, np.float32),
        "heads": np.array(6, np.int16),
    }
    read = parse_container(container(written, {"tied": "f16"}), "here")
    assert (read.spec, read.revision, read.settings) == ("WhisperSpec", 3, {"heads": 6.0})
    for name in ("f32", "f16", "bf16", "tied"):
        np.testing.assert_array_equal(read.tensors[name], floats)
    np.testing.assert_array_equal(read.tensors["i16"], [[0.5, -1.0]])


def test_an_alias_of_a_quantised_tensor_is_its_floats() -> None:
    tensors = parse_container(SMALL, "here").tensors
    assert set(tensors) == {"a/weight", "b", "c/weight"}
    np.testing.assert_array_equal(tensors["c/weight"], [[0, 0.5, 1], [0.75, 1, 1.25]])


@given(st.integers(1, 5), st.integers(1, 7), st.booleans(), st.integers(0, 2**32 - 1))
def test_int8_is_within_half_a_step_of_what_was_quantised(
    rows: int, columns: int, convolution: bool, seed: int
) -> None:
    shape = (rows, columns, 3) if convolution else (rows, columns)
    original = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    scale = 127.0 / np.abs(original.reshape(rows, -1)).max(axis=1)
    per_row = scale.reshape((-1,) + (1,) * (original.ndim - 1))
    stored = np.rint(original * per_row).astype(np.int8)
    assert np.all(np.abs(dequantise(stored, scale) - original) <= 0.5001 / per_row)


def test_a_file_cut_short_anywhere_is_refused() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(EnvironmentProblem, match=r"^here: "):
            parse_container(SMALL[:length], "here")


@given(st.data())
def test_a_changed_byte_is_read_or_refused_but_never_crashes(data: st.DataObject) -> None:
    damaged = bytearray(SMALL)
    damaged[data.draw(st.integers(0, len(SMALL) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_container(bytes(damaged), "here")
    except EnvironmentProblem as problem:
        assert str(problem).startswith("here: ")  # noqa: PT017


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04" + bytes(40), "not a CTranslate2 model"),
        (SMALL + b"\0", "1 bytes follow the end"),
        (container({"a": np.ones(2, np.int8)}), "no scale goes with it"),
        (container({"a": np.ones((2, 2), np.int8), "a_scale": np.ones(3, np.float32)}), "3 scales"),
        (
            container({"a": np.ones((1, 2), np.int8), "a_scale": np.zeros(1, np.float32)}),
            "positive",
        ),
        (container({}, {"a": "b"}), "points to 'b'"),
    ],
)
def test_what_contradicts_itself_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(EnvironmentProblem, match=says):
        parse_container(data, "here")
