"""The choice between floor and ceil for every weight that changes a layer's sums least.

For one output with weights w and inputs x the error of its sum, in the mean square over many x, is

    E (q x - y)² = q G q - 2 q b + E y²,    G = E x xᵀ,  b = E x y,

where y is the sum that is wanted. With every weight at one of two neighbouring codes this is quadratic binary
optimisation, the problem that AdaRound (Nagel et al. 2020, arXiv 2004.10568) relaxes and solves by gradients.
Here it is solved on G itself, without a seed and in seconds: a first choice that hands the error of each weight on to
those after it (Frantar et al. 2022, GPTQ, arXiv 2210.17323), then single and paired changes of mind for as long as one
helps. What is returned is never worse than the choice that was given.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAMPING = 0.01
"""Of G's mean diagonal, added to it where it is inverted."""
MOST_SWEEPS = 20
SETTLED = 1e-3
"""The share of weights that change in a sweep at which a large layer's descent ends."""
MOST_PAIRS = 1 << 22
"""Pairs of weights in a layer up to which they are changed together, too."""
MOST_TRIED = 10
"""Weights of one output up to which all choices are tried, so that the best is found: depthwise 3 x 3 and smaller."""
MOST_KICKED = 32
"""Weights of one output up to which each is changed against its will, to see where the descent goes from there."""
HELPS = 1e-12
"""The least gain, of the largest term of the error, that counts as one."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The quadratic problem of a layer: (groups, outputs, weights) everywhere, inputs shared within a group.

    gram: (groups, weights, weights) G. cross: b. low, high: what each weight may become, low <= high.
    """

    gram: Doubles
    cross: Doubles
    low: Doubles
    high: Doubles

    def values(self, upper: Flags) -> Doubles:
        """Return the weights, ``high`` where ``upper`` is set."""
        return np.where(upper, self.high, self.low)

    def error(self, upper: Flags) -> Doubles:
        """Return (groups, outputs) the mean square error of each output's sum, less E y²."""
        values = self.values(upper)
        return np.asarray(np.einsum("gok,gok->go", values, values @ self.gram - 2 * self.cross))


def best_rounding(choice: Choice, given: Flags) -> Flags:
    """Return which weights to round up, (groups, outputs, weights); for no output worse than ``given``."""
    size = given.shape[-1]
    if size <= MOST_TRIED:
        return tried(choice, given)
    best = descend(choice, given)
    best = better(choice, best, descend(choice, handed_on(choice, best)))
    for index in range(size if size <= MOST_KICKED else 0):
        kicked = best.copy()
        kicked[..., index] ^= True
        best = better(choice, best, descend(choice, kicked))
    return best


def tried(choice: Choice, given: Flags) -> Flags:
    """Return the best of all choices, ``given`` where none is better.

    With q = low + s u, u of zeros and ones, the error is u M u and a constant, M = s G s + diag(2 s (low G - b)).
    """
    size = given.shape[-1]
    step = choice.high - choice.low
    terms = step[..., None] * step[..., None, :] * choice.gram[:, None]
    terms[..., np.arange(size), np.arange(size)] += 2 * step * (choice.low @ choice.gram - choice.cross)
    every = np.array(list(itertools.product((False, True), repeat=size)))
    both = (every[:, :, None] & every[:, None, :]).reshape(len(every), -1)
    best = (terms.reshape(-1, size * size) @ both.T.astype(np.float64)).argmin(axis=1)
    return better(choice, given, every[best].reshape(given.shape))


def better(choice: Choice, one: Flags, other: Flags) -> Flags:
    """Return, for every output, the one of two choices that errs less."""
    return np.where((choice.error(other) < choice.error(one))[..., None], other, one)


def handed_on(choice: Choice, given: Flags) -> Flags:
    """Round one weight after another, each time moving those that are still free to the best place for the rest.

    Weights start where the error is least in real numbers; G is damped, towards the values of ``given``.
    """
    size = choice.gram.shape[-1]
    diagonal = np.einsum("gkk->gk", choice.gram)
    damping = np.maximum(DAMPING * diagonal.mean(axis=1), np.finfo(np.float64).tiny)
    inverse = np.linalg.inv(choice.gram + damping[:, None, None] * np.eye(size))
    upper_factor = np.linalg.cholesky((inverse + inverse.swapaxes(1, 2)) / 2).swapaxes(1, 2)
    free = (choice.cross + damping[:, None, None] * choice.values(given)) @ inverse
    upper = np.zeros_like(given)
    for index in range(size):
        value, low, high = free[..., index], choice.low[..., index], choice.high[..., index]
        upper[..., index] = value - low > high - value
        error = (value - np.where(upper[..., index], high, low)) / upper_factor[:, index, index, None]
        free[..., index + 1 :] -= error[..., None] * upper_factor[:, None, index, index + 1 :]
    return upper


def descend(choice: Choice, given: Flags) -> Flags:
    """Change weights one at a time, then in pairs, as long as the error shrinks."""
    walk = _Descent(choice, given)
    for _ in range(MOST_SWEEPS):
        if walk.sweep() <= SETTLED * given.size and not walk.swap():
            break
    return walk.upper


class _Descent:
    """A choice on its way down; ``slope`` is half the error's gradient, q G - b."""

    def __init__(self, choice: Choice, given: Flags) -> None:
        self.choice = choice
        self.upper = given.copy()
        self.step = np.where(given, -1.0, 1.0) * (choice.high - choice.low)
        self.slope = choice.values(given) @ choice.gram - choice.cross
        self.diagonal = np.einsum("gkk->gk", choice.gram)
        largest = self.diagonal[:, None] * np.maximum(np.abs(choice.low), np.abs(choice.high)) ** 2
        self.tolerance = HELPS * largest.max(axis=-1)

    def sweep(self) -> int:
        """Change every weight for which that helps, one after another; return how many there were."""
        changed = 0
        for index in range(self.step.shape[-1]):
            step = self.step[..., index]
            gain = -step * (2 * self.slope[..., index] + step * self.diagonal[:, index, None])
            where = np.nonzero(gain > self.tolerance)
            if where[0].size:
                self._change(where, np.full(where[0].size, index))
                changed += where[0].size
        return changed

    def swap(self) -> bool:
        """Change, in every output, the pair of weights for which that helps most; return whether there was one."""
        size = self.step.shape[-1]
        if self.step.size * size > MOST_PAIRS:
            return False
        alone = self.step * (2 * self.slope + self.step * self.diagonal[:, None])
        joint = 2 * self.step[..., None] * self.step[..., None, :] * self.choice.gram[:, None]
        both = alone[..., None] + alone[..., None, :] + joint
        both[..., np.arange(size), np.arange(size)] = np.inf
        pairs = both.reshape(*both.shape[:2], -1)
        best = pairs.argmin(axis=-1)
        helps = -np.take_along_axis(pairs, best[..., None], axis=-1)[..., 0] > self.tolerance
        where = np.nonzero(helps)
        for index in divmod(best[where], size):
            self._change(where, index)
        return bool(where[0].size)

    def _change(self, where: tuple[NDArray[np.int64], ...], index: NDArray[np.int64]) -> None:
        group, output = where
        self.slope[group, output] += self.step[group, output, index][:, None] * self.choice.gram[group, index]
        self.step[group, output, index] *= -1
        self.upper[group, output, index] ^= True
