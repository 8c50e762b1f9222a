"""Rules for the order of accumulation and for its stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hwsim.target.mistake import Location, Mistake
from hwsim.target.settings import Settings

Found = Iterator[Mistake]

FIXED_POINTS = ("input", "weight", "bias", "bias_sum", "product", "activation", "output", "division", "division_width")
"""Rows of the ledger (`docs/ledger.md`) that bear the same name on every target."""

LEDGER_POINTS = (*FIXED_POINTS, "left_shift", "high_multiply", "narrow", "requantize")
"""These and the rows of the short kinds of requantisation: names that no stage may bear."""

_LOOPS = ("kernel_height", "kernel_width", "input_channel")
_TILE = "input_channel_tile"
_ORDER: Location = ("mac", "order")


def order_names_every_loop_once(settings: Settings) -> Found:
    """The order is a permutation of the loops, and of the tile's if there is one."""
    order, tile = settings.mac.order, settings.mac.tile
    for loop in _LOOPS:
        if order.count(loop) != 1:
            yield Mistake(_ORDER, f"names {loop} {order.count(loop)} times, but each loop must be named once")
    if order.count(_TILE) > 1:
        yield Mistake(_ORDER, f"names {_TILE} {order.count(_TILE)} times, but it can be named once only")
    if _TILE in order and tile is None:
        yield Mistake(
            _ORDER,
            f"names {_TILE}, but mac.tile gives no block size; add tile: {{input_channel: n}}",
            (("mac", "tile"),),
        )
    if _TILE not in order and tile is not None:
        yield Mistake(
            ("mac", "tile"),
            f"blocks of {tile.input_channel} input channels, but mac.order does not name {_TILE}",
            (_ORDER,),
        )


def sums_end_within_loops(settings: Settings) -> Found:
    """A sum can end with a loop only if the order has it; the last stage takes all that is left."""
    stages, order = settings.mac.stages, settings.mac.order
    for index, stage in enumerate(stages):
        at: Location = ("mac", "stages", index, "within")
        if stage.within is not None and stage is stages[-1]:
            yield Mistake(at, f"{stage.within}, but the last stage ({stage.name}) takes all that is left; leave it out")
        elif stage.within is not None and stage.within not in order:
            yield Mistake(at, f"{stage.within}, but mac.order has the loops {', '.join(order)}", (_ORDER,))


def last_stage_alone_has_no_terms(settings: Settings) -> Found:
    """Every stage but the last says how many values it takes."""
    stages = settings.mac.stages
    for index, stage in enumerate(stages):
        at: Location = ("mac", "stages", index, "terms")
        if index < len(stages) - 1 and stage.terms is None:
            yield Mistake(
                at,
                f"missing; only the last stage has none, and {stage.name} is {index + 1} of {len(stages)}",
            )
        if index == len(stages) - 1 and stage.terms is not None:
            yield Mistake(
                at,
                f"{stage.terms} terms, but the last stage ({stage.name}) takes all that is left and has none",
            )


def stage_names_differ(settings: Settings) -> Found:
    """Each row of the ledger has a name of its own."""
    seen: dict[str, int] = {}
    for index, stage in enumerate(settings.mac.stages):
        at: Location = ("mac", "stages", index, "name")
        if stage.name in LEDGER_POINTS:
            yield Mistake(at, f"{stage.name!r} is the name of another row of the ledger; choose another name")
        if stage.name in seen:
            first: Location = ("mac", "stages", seen[stage.name], "name")
            yield Mistake(
                at,
                f"{stage.name!r} is the name of mac.stages[{first[2]}] already; names must differ",
                (first,),
            )
        seen.setdefault(stage.name, index)


def tree_is_fitted_at_every_node(settings: Settings) -> Found:
    """A tree needs its number of leaves, and has neither a shift nor another moment to fit."""
    for index, stage in enumerate(settings.mac.stages):
        at: Location = ("mac", "stages", index)
        if stage.shape != "tree":
            continue
        if stage is settings.mac.stages[-1]:
            yield Mistake(
                (*at, "shape"),
                "tree, but the last stage takes all that is left; a tree has terms and a stage after it",
                ((*at, "terms"),),
            )
        if stage.shift:
            yield Mistake((*at, "shift"), f"{stage.shift} bits, but a tree drops none (shift 0)", ((*at, "shape"),))
        if stage.check == "last":
            yield Mistake(
                (*at, "check"),
                "last, but a tree is fitted at every node; one fitted once is `shape: chain, check: last`",
                ((*at, "shape"),),
            )


RULES: tuple[Callable[[Settings], Found], ...] = (
    order_names_every_loop_once,
    sums_end_within_loops,
    last_stage_alone_has_no_terms,
    stage_names_differ,
    tree_is_fitted_at_every_node,
)
