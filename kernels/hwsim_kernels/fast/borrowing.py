"""Arrays whose references are not counted: for each slice, two atomic additions take longer than all else of it."""

from __future__ import annotations

from typing import Any, cast

from numba.core import types
from numba.np import arrayobj

from hwsim_kernels.fast.ir import machine_code

# Numba's own code has few types
populate_array: Any = cast("Any", arrayobj).populate_array


@machine_code
def borrowed(context: Any, value: Any) -> Any:
    """Return an array, or a tuple of these and other things, to which and to whose slices no reference is counted.

    What is given must live as long as what is returned: the arguments of a compiled function do, until it is done.
    """

    def build(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _uncounted(target, builder, signature.args[0], arguments[0])

    return value(value), build


def _uncounted(target: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.BaseTuple):
        members: Any = kind
        parts = [
            _uncounted(target, builder, one, builder.extract_value(value, number))
            for number, one in enumerate(members.types)
        ]
        return target.make_tuple(builder, kind, parts)
    if not isinstance(kind, types.Array):
        return value
    make = target.make_array(kind)
    given, bare = make(target, builder, value), make(target, builder)
    populate_array(
        bare, data=given.data, shape=given.shape, strides=given.strides, itemsize=given.itemsize, meminfo=None
    )
    return bare._getvalue()
