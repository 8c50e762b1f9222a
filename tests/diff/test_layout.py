"""Which tensors belong together, and how they are laid side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim.divergence import Compared
from hwsim.errors import DataError


def tensor(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-100, 100, shape)


A = tensor(4, 5, 6, 3)


def only(a: Any, b: Any, **options: Any) -> Compared:
    (one,) = hwsim.diff({"x": a}, {"x": b}, **options).tensors
    return one


@pytest.mark.parametrize(
    ("b", "said"),
    [
        (A.transpose(0, 3, 1, 2), "B has shape (4, 3, 5, 6), its axes are NCHW where A has NHWC"),
        (A.transpose(0, 2, 1, 3), "B has shape (4, 6, 5, 3), its axes are NWHC where A has NHWC"),
        (A.reshape(-1), "B has shape (360,), read as (4, 5, 6, 3)"),
        (A.transpose(0, 3, 1, 2).reshape(-1), "B has shape (360,), its axes are NCHW where A has NHWC"),
        (A[:2], "B holds only the first 2 of 4 samples"),
        (A[:2].reshape(-1), "B holds only the first 2 of 4 samples"),
        (A[0], "B holds only the first 1 of 4 samples"),
        (A[0].transpose(2, 0, 1), "its axes are NCHW where A has NHWC"),
    ],
)
def test_shapes_are_understood_and_said(b: Any, said: str) -> None:
    for one in (only(A, b), only(b, A) if b.ndim == 1 else only(A, b)):
        assert one.equal
        flipped = [note.replace("A", "?").replace("B", "A").replace("?", "B") for note in one.notes]
        assert any(said in note for note in (*one.notes, *flipped))


def test_a_transposed_dump_differs_where_it_does() -> None:
    b = A.copy()
    b[1, 2, 3, 1] += 7
    one = only(A, b.transpose(0, 3, 1, 2))
    assert one.first is not None
    assert (one.count, one.largest, one.first.sample, one.first.position, one.first.channel) == (1, 7, 1, (2, 3), 1)
    assert one.notes == ("B has shape (4, 3, 5, 6), its axes are NCHW where A has NHWC",)


def test_channels_in_rows() -> None:
    a = tensor(5, 7)
    one = only(a, a.T)
    assert one.equal
    assert one.notes == ("B has shape (7, 5), its axes are CN where A has NC",)


def test_shapes_that_cannot_be_one_tensor() -> None:
    result = hwsim.diff({"x": A, "y": A}, {"x": tensor(4, 5, 6, 4), "y": A})
    assert not result.equal
    assert result.first is not None
    assert result.first.problem == "shape (4, 5, 6, 3) in A, (4, 5, 6, 4) in B: these cannot be the same tensor"
    assert "first in x: shape (4, 5, 6, 3) in A" in str(result)
    assert only(tensor(3), tensor(4)).problem
    assert only(tensor(7), A).problem == "shape (7,) in A, (4, 5, 6, 3) in B: these cannot be the same tensor"


def test_a_tensor_of_one_axis_has_positions() -> None:
    a = tensor(9)
    b = a.copy()
    b[4] -= 2
    one = only(a, b)
    assert one.first is not None
    assert (one.first.sample, one.first.position, one.first.channel) == (0, (4,), 0)
    assert only(np.array(3), np.array(3)).equal


def test_names_are_matched_before_order() -> None:
    one, two = tensor(2, 3), tensor(2, 3, seed=1)
    result = hwsim.diff({"a": one, "b": two, "c": one}, {"b": two, "a": one, "d": two})
    assert result.equal
    assert result.matched == "name"
    assert (result.only_a, result.only_b) == (("c",), ("d",))
    assert "only in A, not compared: c" in str(result)
    assert "only in B, not compared: d" in str(result)


def test_names_as_files_bear_them() -> None:
    one = tensor(2, 3)
    result = hwsim.diff({"conv1/Relu:0": one, "fc": one}, {"00_conv1_relu.0": one, "01_FC": one})
    assert [(pair.name, pair.other) for pair in result.tensors] == [
        ("conv1/Relu:0", "00_conv1_relu.0"),
        ("fc", "01_FC"),
    ]


def test_order_with_the_same_size() -> None:
    big, small, other = tensor(2, 9), tensor(2, 3), tensor(2, 5)
    result = hwsim.diff({"a": big, "b": small, "c": other}, {"x": big, "z": other})
    assert result.equal
    assert result.matched == "order"
    assert [(pair.name, pair.other) for pair in result.tensors] == [("a", "x"), ("c", "z")]
    assert result.only_a == ("b",)
    assert "matched by order and size" in str(result)


def test_nothing_in_common() -> None:
    with pytest.raises(DataError, match=r"no tensor of A \('a'\) belongs to one of B \('x', 'y'\)"):
        hwsim.diff({"a": tensor(2, 3)}, {"x": tensor(4, 5), "y": tensor(1, 2)})


def test_the_first_in_the_order_of_a_counts(tmp_path: Path) -> None:
    same, changed = tensor(2, 3), tensor(2, 3) + 1
    np.savez(tmp_path / "a.npz", z=same, b=same, a=same)
    result = hwsim.diff(tmp_path / "a.npz", {"a": changed + 5, "b": changed, "z": same})
    assert result.first is not None
    assert result.first.name == "b"
    assert [one.name for one in result.differing] == ["b", "a"]
