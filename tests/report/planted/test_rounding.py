"""Planted behind the sums: rounding that is not to nearest, a ratio of few bits, a table of few entries."""

from __future__ import annotations

import pytest
from report.planted.naming import assert_named_first
from report.planted.plants import biased_rounding, coarse_curve, coarse_multiplier, unshifted_addition
