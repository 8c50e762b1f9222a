"""The softmaxes in the oracle, computed by hand."""

from __future__ import annotations

import pytest
from oracle_by_hand.sections import after, network, source, tensor

from oracle.network import Result


def test_softmax() -> None:
    result = network(
        source("x", 2),
        after("Softmax", "y", "x", axis=0),
        data=[[[0.0, 0.0], [0.0, 1.0]]],
        tensors={"x": tensor()},
    )
    assert result.codes["y"] == pytest.approx([0.5, 0.5, 0.2689414213699951, 0.7310585786300049])


def shares(*codes: int, scale: float) -> Result:
    """Return a softmax of codes in fixed point."""
    return network(
        source("x", len(codes)),
        after("Softmax", "y", "x", axis=0),
        data=[[[code * scale for code in codes]]],
        tensors={"x": tensor(scale), "y": tensor(2.0**-8, -128)},
        change={"softmax": {"run_on": "fixed"}},
    )


def test_softmax_in_fixed_point() -> None:
    assert shares(9, scale=1.0).codes["y"] == [127]
    assert shares(9, 9, 9, 9, scale=1.0).codes["y"] == [64 - 128] * 4
    result = shares(0, 3, -16, scale=1.0)
    # 256 / (1 + e^3) = 12.1, and a difference of 19 is beyond 15, which floor(31 * 2^26 / 2^27) allows
    assert result.codes["y"] == [12 - 128, 244 - 128, -128]
    ledger = result.ledger["y"]
    assert list(ledger) == ["difference", "sum", "product", "output"]
    assert [ledger[point]["values"] for point in ledger] == [[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert ledger["difference"]["minimum"] == [-3 << 26, 0, None]
    assert ledger["difference"]["inexact"] == [0, 0, 0]  # a scale of 1 is exact
    assert ledger["sum"]["maximum"][0] == round(2**19 * 2.718281828459045**-3)
    assert ledger["sum"]["maximum"][1] == ledger["sum"]["maximum"][0] + 2**19
    assert ledger["output"]["histogram"][:9] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert shares(0, 1, scale=0.3).ledger["y"]["difference"]["inexact"] == [1, 0]
    with pytest.raises(ValueError, match="input scale"):
        shares(0, 1, scale=2.0**-26)
