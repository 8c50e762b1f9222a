"""The two codes that each weight lies between, and float32 weights that hold codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.errors import PlanError
from hwsim.improve.stored import Codes, Doubles, kernel_codes, reals_of
from hwsim.network import Weighted
from hwsim.network.mac import Floats
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.plan import WeightPlan
from hwsim.target import Settings

MOST_NUDGES = 8


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The codes around an operation's weights, in the kernel's shape.

    ``low`` and ``high`` are the same where a weight is a code, or outside the format. ``given`` is the target's own
    rounding, one of the two.
    """

    operation: Weighted
    entry: WeightPlan
    settings: Settings
    low: Codes
    high: Codes
    given: Codes

    @staticmethod
    def of(operation: Weighted, entry: WeightPlan, settings: Settings) -> Grid:
        """Return the codes that an operation's weights lie between; what codes stand for ascends with them."""
        kernel = kernel_of(operation)
        given = kernel_codes(kernel, entry, settings)
        reals = reals_of(given, entry)
        return Grid(
            operation=operation,
            entry=entry,
            settings=settings,
            low=np.maximum(given - (reals > kernel), entry.format.minimum),
            high=np.minimum(given + (reals < kernel), entry.format.maximum),
            given=given,
        )

    def reals(self, codes: Codes) -> Doubles:
        """Return what codes stand for."""
        return reals_of(codes, self.entry)

    def held(self, codes: Codes) -> Floats:
        """Return float32 weights that the target rounds to ``codes``.

        Reals that float32 cannot hold move by its single steps until they are on the right side. Raises PlanError where
        there are none, as the jamming modes set the last bit of codes.
        """
        kernel = self.reals(codes).astype(np.float32)
        for _ in range(MOST_NUDGES):
            found = kernel_codes(kernel, self.entry, self.settings)
            if (found == codes).all():
                return kernel
            towards = np.where(found < codes, np.float32(np.inf), np.float32(-np.inf))
            kernel = np.where(found == codes, kernel, np.nextafter(kernel, towards))
        raise PlanError(
            f"{self.operation.name}: float32 has no weights that weights.rounding {self.settings.weights.rounding} "
            "takes to the chosen codes with the scales of the plan; round weights to nearest"
        )
