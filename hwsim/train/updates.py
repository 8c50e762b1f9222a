"""Optimizers for weights that live in low precision: quantised after every update, or summed after Kahan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from hwsim.formats import Rounding
from hwsim.loaders.framework import tensorflow
from hwsim.train.bases import KERAS, Optimizer, saved
from hwsim.train.rounding import round_real

NEAREST, STOCHASTIC = "nearest", "stochastic"


def place(variable: Any) -> str:
    """Return ``layer/weight`` of a variable: the end of its path, as what stands before is not kept in a file."""
    return "/".join(str(variable.path).split("/")[-2:])


class _LowPrecision(Optimizer):
    """What both optimizers share: another optimizer that does the work, and the format of the weights."""

    generator: Any

    def __init__(
        self,
        optimizer: Any,
        *,
        step: float | Mapping[str, float],
        bits: int = 8,
        exclude: Sequence[str] = (),
        name: str | None = None,
        **others: Any,
    ) -> None:
        if not 2 <= bits <= 24:
            raise ValueError(f"weights of {bits} bits: 2 to 24 can be held in float32")
        steps = {"*": step} if isinstance(step, int | float) else dict(step)
        for one in steps.values():
            if not 0 < one < float("inf"):
                raise ValueError(f"step must be positive, not {one}")
        super().__init__(learning_rate=0.0, name=name or type(self).__name__.lower())
        self.inner = KERAS.optimizers.deserialize(optimizer) if isinstance(optimizer, Mapping) else optimizer
        self.step, self.bits, self.exclude = step, bits, tuple(exclude)
        self.steps = tuple(steps.items())

    def build(self, variables: Sequence[Any]) -> None:
        """Make the state of both optimizers, and bring the weights to what their format can hold."""
        self.inner.build(variables)
        super().build(variables)
        for variable in filter(self.takes, variables):
            variable.assign(self.stored(variable.value, self.step_of(variable), Rounding.HALF_EVEN))

    def takes(self, variable: Any) -> bool:
        """Whether a weight is held in low precision: it has a step, and no pattern of ``exclude`` matches it."""
        stepped = any(fnmatchcase(place(variable), pattern) for pattern, _ in self.steps)
        return stepped and not any(fnmatchcase(place(variable), pattern) for pattern in self.exclude)

    def step_of(self, variable: Any) -> float:
        """Return the step of a weight: that of the first pattern that matches it."""
        return next(step for pattern, step in self.steps if fnmatchcase(place(variable), pattern))

    def stored(self, values: Any, step: float, rounding: Rounding | None) -> Any:
        """Return what the format holds of ``values``; without a ``rounding``, rounded at random by the fraction."""
        tf = tensorflow()
        quotient = tf.cast(values, tf.float64) / step
        if rounding is None:
            draws = KERAS.random.uniform(tf.shape(quotient), dtype="float32", seed=self.generator)
            codes = tf.floor(quotient + tf.cast(draws, tf.float64))
        else:
            codes = round_real(quotient, rounding)
        limit = 2.0 ** (self.bits - 1)
        return tf.cast(tf.clip_by_value(codes, -limit, limit - 1) * step, values.dtype)

    @property
    def variables(self) -> list[Any]:
        """All state, the other optimizer's too."""
        return [*self._variables, *self.inner.variables]

    @property
    def learning_rate(self) -> Any:
        """The other optimizer's learning rate, so that schedules and callbacks reach it."""
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        self.inner.learning_rate = rate

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the weights by the other optimizer, then store them."""
        known = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        if not self.built:
            with KERAS.name_scope(self.name):
                self.build(known)
        before = [tensorflow().identity(variable.value) for variable in known]
        self.inner.apply(grads, known)
        for variable, old in zip(known, before, strict=True):
            if self.takes(variable):
                self.store(variable, old)
        self._iterations.assign_add(1)

    def store(self, variable: Any, before: Any) -> None:
        """Bring an updated weight to its format; ``before`` is what it was."""
        raise TypeError(f"{type(self).__name__} does not say how a weight is stored")

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        inner = KERAS.optimizers.serialize(self.inner)
        return {
            "name": self.name,
            "optimizer": inner,
            "step": self.step if isinstance(self.step, int | float) else dict(self.step),
            "bits": self.bits,
            "exclude": list(self.exclude),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> _LowPrecision:
        """Return the optimizer that ``config`` describes."""
        inner = KERAS.optimizers.deserialize(config["optimizer"], custom_objects=custom_objects)
        return cls(**{**config, "optimizer": inner})


@saved
class QuantizedUpdates(_LowPrecision):
    """Weights that hold multiples of ``step`` only, in two's complement of ``bits``: stored after every update.

    ``optimizer`` makes the updates. ``rounding`` is `nearest` (ties to even), `stochastic` (up with the probability of
    the fraction, drawn from a generator with the ``seed``), or another deterministic mode of ``Rounding``. ``step`` may
    be a mapping from patterns of weights (`layer/weight`, see ``place``) to steps, the first that matches counting;
    weights without one, and those that a pattern of ``exclude`` matches (`*/gamma`), stay as they are.

    With `nearest`, updates below half a step are lost, each and every one: training stalls. Stochastic rounding keeps
    them on average.
    """

    def __init__(self, optimizer: Any, *, rounding: str = NEAREST, seed: int = 0, **others: Any) -> None:
        super().__init__(optimizer, **others)
        self.rounding, self.seed = rounding, seed
        self.mode = None if rounding == STOCHASTIC else Rounding("half_even" if rounding == NEAREST else rounding)
        if self.mode is not None and self.mode.stochastic:
            raise ValueError(f"rounding {rounding!r} draws from a target's generator; say {STOCHASTIC!r} here")
        self.generator = KERAS.random.SeedGenerator(seed)

    def store(self, variable: Any, before: Any) -> None:
        """Round an updated weight to its format."""
        variable.assign(self.stored(variable.value, self.step_of(variable), self.mode))

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), "rounding": self.rounding, "seed": self.seed}


@saved
class KahanUpdates(_LowPrecision):
    """Weights in low precision, as for ``QuantizedUpdates``, and beside each what rounding has kept from it so far.

    Kahan's compensated sum: with u the update that ``optimizer`` makes and c the compensation,

        y = u + c;   w' = store(w + y);   c' = clip(y - (w' - w), -step / 2, step / 2)

    ``compensation_bits``: c is held as a multiple of ``step / 2**compensation_bits`` (ties to even); None holds it in
    float32. The clip matters where w is at the end of its format. No float copy of the weights exists: u is found as
    the difference that ``optimizer`` makes to the stored weight in float32.
    """

    def __init__(self, optimizer: Any, *, compensation_bits: int | None = None, **others: Any) -> None:
        super().__init__(optimizer, **others)
        if compensation_bits is not None and not 1 <= compensation_bits <= 24:
            raise ValueError(f"a compensation has 1 to 24 bits, not {compensation_bits}")
        self.compensation_bits = compensation_bits

    def build(self, variables: Sequence[Any]) -> None:
        """Make a compensation for each weight."""
        super().build(variables)
        self.compensation = {
            variable.path: self.add_variable_from_reference(variable, "compensation")
            for variable in variables
            if self.takes(variable)
        }

    def store(self, variable: Any, before: Any) -> None:
        """Add the update to the weight, compensated."""
        tf, step = tensorflow(), self.step_of(variable)
        kept = self.compensation[variable.path]
        wanted = (variable.value - before) + kept.value
        new = self.stored(before + wanted, step, Rounding.HALF_EVEN)
        lost = tf.clip_by_value(wanted - (new - before), -step / 2, step / 2)
        if self.compensation_bits is not None:
            unit = step / 2.0**self.compensation_bits
            lost = tf.cast(round_real(tf.cast(lost, tf.float64) / unit, Rounding.HALF_EVEN) * unit, lost.dtype)
        variable.assign(new)
        kept.assign(lost)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), "compensation_bits": self.compensation_bits}
