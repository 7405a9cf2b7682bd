"""What a store knows of its own demand, as arrays. Pure: no Django, no database."""

import datetime as dt
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

HORIZONS = 14
"""Forecasts are for 1 to so many days ahead."""


@dataclass(frozen=True, kw_only=True)
class Sales:
    """One store's daily demand, and what it knows of the days to come.

    Rows are consecutive business days from ``first_day``. ``quantities`` has one row for each
    day that is known (the last one is the origin, of which the store already knows all); the
    other arrays have ``HORIZONS`` rows more, for the days ahead.
    """

    first_day: dt.date
    dishes: tuple[str, ...]
    quantities: FloatArray
    """(days, dishes), portions. NaN is a day of which nothing is known: closed, sold out for
    most of it, or before the dish was first sold. It is never zero."""
    promotion: FloatArray
    """(days + HORIZONS, dishes), from 0 (none) to 1: a share of discount, or 1 for promoted."""
    closed: BoolArray
    """(days + HORIZONS,): the store does not open."""
    holiday: FloatArray
    """(days + HORIZONS,), 0 or 1: reported, or of the calendar of the store's country."""
    school_holiday: FloatArray
    """(days + HORIZONS,), 0 or 1, where reported."""
    country: str = ""
    """ISO 3166-1 alpha-2, in capitals; empty: of no known country."""
    names: tuple[str, ...] = field(default=())
    """What people call the dishes, in the same order."""
    doubtful: tuple[tuple[int, int, float, float], ...] = ()
    """Days whose reported quantity is beyond belief and so not known: row, column, what was
    reported, what is usual."""

    def __post_init__(self) -> None:
        days, dishes = self.quantities.shape
        ahead = days + HORIZONS
        shapes = {
            "promotion": (ahead, dishes),
            "closed": (ahead,),
            "holiday": (ahead,),
            "school_holiday": (ahead,),
        }
        if dishes != len(self.dishes):
            raise ValueError(f"{len(self.dishes)} dishes are named, quantities have {dishes}")
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")

    @property
    def days(self) -> int:
        """How many days are known."""
        return int(self.quantities.shape[0])

    @property
    def last_day(self) -> dt.date:
        """The origin: the last day that is known."""
        return self.day(self.days - 1)

    @property
    def are_whole(self) -> bool:
        """Whether the store sells whole portions only."""
        known = self.quantities[np.isfinite(self.quantities)]
        return bool((known == np.rint(known)).all())

    def day(self, row: int) -> dt.date:
        """The date of a row."""
        return self.first_day + dt.timedelta(days=row)
