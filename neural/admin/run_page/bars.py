"""Bars of a run's course: all on one axis, from its submission to its end or to now. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 1000
LEAST = 3
"""An attempt of a few milliseconds in a day must still be seen."""


@dataclass(frozen=True)
class Bar:
    """A piece of the axis, in its thousandths."""

    kind: str
    x: int
    width: int


@dataclass(frozen=True)
class Axis:
    """The time between two moments."""

    start: dt.datetime
    end: dt.datetime

    def bar(self, kind: str, start: dt.datetime, end: dt.datetime) -> Bar:
        """The piece from ``start`` to ``end``, cut to the axis, never too thin to be seen."""
        left, right = self._place(start), self._place(end)
        width = max(right - left, LEAST)
        return Bar(kind, min(left, WIDTH - width), width)

    def _place(self, moment: dt.datetime) -> int:
        length = (self.end - self.start).total_seconds()
        share = (moment - self.start).total_seconds() / length if length > 0 else 0.0
        return round(min(max(share, 0.0), 1.0) * WIDTH)


def axis_of(moments: Sequence[dt.datetime]) -> Axis:
    """The axis on which all of these moments lie."""
    return Axis(min(moments), max(moments))
