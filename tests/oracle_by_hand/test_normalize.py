"""Normalisation in the oracle, computed by hand."""

from __future__ import annotations

from typing import Any

from oracle_by_hand.sections import Json, after, network, source, tensor

from oracle.network import Result


def normalized(*codes: float, change: Json | None = None, **fields: Any) -> Result:
    """Normalise one line of codes less the zero point 3; the result has 2 bits of fraction, and so do its codes."""
    section = {"fraction_bits": 1, "reciprocal_bits": 8, "result_bits": 2, "rounding": "half_up", **(change or {})}
    return network(
        source("x", 1, len(codes)),
        after("Normalize", "y", "x", **{"epsilon": 0.0, "groups": 1, "whole": False, "centered": True, **fields}),
        data=[[[list(codes)]]],
        tensors={"x": tensor(1.0, 3), "y": tensor(0.25, 1)},
        change={"normalization": section},
    )


def test_normalize() -> None:
    result = normalized(1.0, 2.0, 6.0)
    # 2 4 12 have the mean 6, distances -4 -2 6, the variance 56 / 3 = 18.67, the root 4 and the reciprocal 64;
    # -256 -128 384 by 2^6
    assert result.codes["y"] == [-4 + 1, -2 + 1, 6 + 1]
    mean, variance, root, reciprocal, last = (
        result.ledger["y"][name] for name in ("mean", "variance", "root", "reciprocal", "normalized")
    )
    assert list(result.ledger["y"])[:5] == ["mean", "variance", "root", "reciprocal", "normalized"]
    assert (mean["values"], mean["maximum"], mean["inexact"]) == ([1, 0, 0], [6, None, None], [0, 0, 0])
    # 56 / 3 = 18 + 2 / 3: up by 1, less floor(65536 * 2 / 3)
    assert (variance["maximum"], variance["round_bias"]) == ([19, None, None], [65536 - 43690, 0, 0])
    # sqrt(19) = 4.358898..., and floor(0.358898943540674 * 65536) = 23520
    assert (root["minimum"], root["inexact"], root["round_bias"]) == ([4, None, None], [1, 0, 0], [-23520, 0, 0])
    assert (reciprocal["maximum"], reciprocal["inexact"]) == ([64, None, None], [0, 0, 0])
    assert (last["values"], last["minimum"], last["inexact"]) == ([1, 1, 1], [-4, -2, 6], [0, 0, 0])


def test_normalize_without_a_mean_by_groups() -> None:
    result = normalized(3.0, 4.0, 0.0, 0.0, groups=2, centered=False, epsilon=2.5)
    # epsilon 2.5 * 2^2 = 10; 6 8 with the variance 50 + 10, the root 7, 256 / 7 = 37 (36.57); 222 296 by 2^6
    # zeros: the variance 0 + 10, the root 3, 256 / 3 = 85
    assert result.codes["y"] == [3 + 1, 5 + 1, 1, 1]
    assert "mean" not in result.ledger["y"]
    assert result.ledger["y"]["variance"]["maximum"] == [50, None, 0, None]
    assert result.ledger["y"]["reciprocal"]["maximum"] == [37, None, 85, None]
    assert result.ledger["y"]["normalized"]["round_bias"] == [-30720, 24 * 1024, 0, 0]  # 222 / 64 = 3 + 30 / 64


def test_normalize_equal_values() -> None:
    # No distance: the variance is 0, and the reciprocal that of 1.
    result = normalized(5.0, 5.0)
    assert result.codes["y"] == [1, 1]
    assert result.ledger["y"]["reciprocal"]["maximum"] == [256, None]
