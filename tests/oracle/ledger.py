"""The figures of a truncation point (docs/ledger.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from oracle.overflow import Format
from oracle.rounding import Rounded


class Place(NamedTuple):
    """Where in the run a value occurs: position counts over all axes but the last, which is the channel."""

    sample: int
    position: int
    channel: int
    step: int = 0


class OverflowStop(Exception):
    """A value outside a format whose overflow is ``error``."""

    def __init__(self, point: str, place: Place, value: int) -> None:
        """Keep the place and the value."""
        super().__init__(f"{point}: {value} at {place}")
        self.point, self.place, self.value = point, place, value


class Point:
    """One truncation point of one layer, per channel.

    A ``last`` stage also watches its exact sums; it and ``output`` keep a histogram. A point that
    does not ``watch_all`` takes the minimum of values below its format only, the maximum of those above.
    """

    def __init__(
        self, name: str, channels: int, *, watch_all: bool = True, last: bool = False, histogram: bool = False
    ) -> None:
        """Begin with nothing seen."""
        self.name = name
        self.watch_all, self.last = watch_all, last
        self.values, self.low, self.high, self.clamp_energy = ([0] * channels for _ in range(4))
        self.transient, self.persistent = ([0] * channels for _ in range(2))
        self.sums = [0] * channels
        self.inexact, self.round_bias, self.round_energy = ([0] * channels for _ in range(3))
        self.minimum: list[int | None] = [None] * channels
        self.maximum: list[int | None] = [None] * channels
        self.first: list[tuple[int, int, int] | None] = [None] * channels
        self.histogram: list[int] | None = [0] * 65 if last or histogram else None

    def round(self, rounded: Rounded, place: Place) -> int:
        """Record a rounding whose result goes on to the point's fit; return the result."""
        self.inexact[place.channel] += rounded.inexact
        self.round_bias[place.channel] += rounded.e16
        self.round_energy[place.channel] += rounded.e16**2
        return rounded.value

    def round_only(self, rounded: Rounded, place: Place) -> int:
        """Record a rounding of a point that has no fit; return the result."""
        self.values[place.channel] += 1
        self._look(place.channel, rounded.value)
        return self.round(rounded, place)

    def fit(self, x: int, target: Format, place: Place, worth: int = 1) -> int:
        """Record a fit that stands for itself (every point but the stages); return the result.

        What it injects counts ``worth`` each.
        """
        fitted = self.fit_in_sum(x, target, place)
        if self.watch_all:
            self._look(place.channel, x)
        self.clamp_energy[place.channel] += ((fitted - x) * worth) ** 2
        self.persistent[place.channel] += not target.holds(x)
        return fitted

    def fit_in_sum(self, x: int, target: Format, place: Place) -> int:
        """Record a fit, but neither what it injected nor whether the hit was transient."""
        channel = place.channel
        self.values[channel] += 1
        if target.holds(x):
            return x
        if target.overflow == "error":
            raise OverflowStop(self.name, place, x)
        self.low[channel] += x < target.limits[0]
        self.high[channel] += x > target.limits[1]
        if x < target.limits[0]:
            self._look_down(channel, x)
        else:
            self._look_up(channel, x)
        self._mark(place)
        return target.fit(x)

    def take_level(self, n: int, beyond: int, injected: int, place: Place) -> None:
        """Record the level taken for a value rounded to ``n``: below all levels (-1), among them (0) or above (1)."""
        channel = place.channel
        self.values[channel] += 1
        self._look(channel, n)
        if not beyond:
            return
        self.low[channel] += beyond < 0
        self.high[channel] += beyond > 0
        self.persistent[channel] += 1
        self.clamp_energy[channel] += injected**2
        self._mark(place)

    def add_up(self, terms: Sequence[int], target: Format, place: Place) -> int:
        """Add terms one after another, fitting after each, as one finished sum; return it."""
        total, injected, hit = 0, 0, False
        for step, term in enumerate(terms):
            fitted = self.fit_in_sum(total + term, target, place._replace(step=step))
            injected += fitted - (total + term)
            hit = hit or not target.holds(total + term)
            total = fitted
        self.hand_up(total, injected, hit, target, place.channel)
        return total

    def hand_up(self, total: int, injected: int, hit: bool, target: Format, channel: int) -> None:
        """Record that a stage's sum is finished, with all that its fits injected and whether one was hit."""
        exact = total - injected
        self.sums[channel] += 1
        self.clamp_energy[channel] += injected**2
        self.transient[channel] += hit and target.holds(exact)
        self.persistent[channel] += hit and not target.holds(exact)
        if self.last:
            self._look(channel, exact)
            self.magnitude(exact)

    def magnitude(self, x: int) -> None:
        """Count ``x`` in the histogram, by the bits of its magnitude."""
        if self.histogram is not None:
            self.histogram[min(abs(x).bit_length(), 64)] += 1

    def _mark(self, place: Place) -> None:
        """Keep the place of a hit if it is the channel's first."""
        hit = (place.sample, place.position, place.step)
        earlier = self.first[place.channel]
        self.first[place.channel] = hit if earlier is None else min(earlier, hit)

    def _look(self, channel: int, x: int) -> None:
        """Let ``x`` take part in minimum and maximum."""
        self._look_down(channel, x)
        self._look_up(channel, x)

    def _look_down(self, channel: int, x: int) -> None:
        low = self.minimum[channel]
        self.minimum[channel] = x if low is None else min(low, x)

    def _look_up(self, channel: int, x: int) -> None:
        high = self.maximum[channel]
        self.maximum[channel] = x if high is None else max(high, x)

    def figures(self) -> dict[str, Any]:
        """Return the figures by their names in docs/ledger.md."""
        names = (
            "values sums low high minimum maximum clamp_energy transient persistent "
            "inexact round_bias round_energy first histogram"
        )
        return {name: getattr(self, name) for name in names.split()}
