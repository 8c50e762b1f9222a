"""All tensors of a run in one file: their codes in the order of execution, and what these stand for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import DataError
from hwsim.files import write_whole
from hwsim.program import Program

Array = NDArray[Any]

DESCRIPTION = "hwsim:"
"""Members whose names begin so describe the tensors, one value for each in their order."""


def recorded(program: Program) -> list[str]:
    """Return the names of the tensors that are recorded, in the order of execution: all that hold codes."""
    return [one.output.name for one in program.operations if one.output.format is not None]


def save_tensors(path: Path, program: Program, tensors: Mapping[str, Array]) -> None:
    """Write codes as an .npz file, whole or not at all: one array (n, …) for each tensor.

    ``hwsim:bits``, ``hwsim:signed``, ``hwsim:zero_point`` and ``hwsim:scale`` stand behind them, (tensors,) each: a
    code q stands for scale * (q - zero_point). Equal runs give equal files. Raises DataError for a run that did not
    keep its tensors.
    """
    if not tensors:
        raise DataError(f"{path}: the run kept no tensors; run it with tensors=True")
    form = [program.tensors[name] for name in tensors]
    members = dict(tensors) | {
        f"{DESCRIPTION}bits": np.array([one.format.bits for one in form if one.format is not None], np.int64),
        f"{DESCRIPTION}signed": np.array([one.format.signed for one in form if one.format is not None], np.bool_),
        f"{DESCRIPTION}zero_point": np.array([one.zero_point for one in form], np.int64),
        f"{DESCRIPTION}scale": np.array([one.scale for one in form], np.float64),
    }
    if len(members) != len(tensors) + 4:
        raise DataError(f"{path}: a tensor bears a name that begins with {DESCRIPTION!r}, which describes tensors here")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in members.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            # a fixed date, so that equal runs give equal files
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED, 1)
    write_whole(path, buffer.getvalue())
