"""Every error that hwsim raises on purpose.

HwsimError
├── TargetError            a target file is missing, unreadable or wrong (all mistakes at once)
├── ModelError             a model file cannot be read, or holds what hwsim refuses to run
│   └── UnsupportedError   layers without an integer form, all listed by name
├── DataError              input data of the wrong shape, empty, or with NaN or infinity
├── PlanError              a plan does not belong to this network, or is malformed
├── ProgramError           a program file is damaged or of another version
├── SettingError           a variable of the environment asks for what is not there
├── WidthError             a value could leave the 125 bits of the simulator itself
└── DatapathOverflow       a value left a format whose overflow mode is `error`
"""

from __future__ import annotations

from collections.abc import Sequence


class HwsimError(Exception):
    """Base of all errors raised on purpose; the command line prints it without a traceback."""


class TargetError(HwsimError):
    """A target is missing or wrong; ``mistakes`` holds one sentence for each mistake."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class ModelError(HwsimError):
    """A model cannot be read, or holds what hwsim refuses to run."""


class UnsupportedError(ModelError):
    """The model has layers without an integer form; ``layers`` names them all."""

    def __init__(self, layers: Sequence[str]) -> None:
        self.layers = tuple(layers)
        super().__init__("hwsim has no integer form for these layers:\n  " + "\n  ".join(self.layers))


class DataError(HwsimError):
    """Input data does not fit the model: shape, type, emptiness, NaN or infinity."""


class PlanError(HwsimError):
    """A plan is malformed or does not belong to this network and target."""


class ProgramError(HwsimError):
    """A program file is damaged or was written by another version of the format."""


class SettingError(HwsimError, ValueError):
    """A variable of the environment, ``HWSIM_TIER``, asks for what there is not, or not on this machine."""


class WidthError(HwsimError):
    """A computation could leave the 125 bits of the simulator, so it is refused instead of wrapped."""


class DatapathOverflow(HwsimError):
    """A value left a format whose overflow mode is ``error``."""
