"""A store's own sales history as arrays. Pure: no Django, no database."""

import datetime as dt
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

HORIZONS = 14
"""Forecasts are for 1 to this many days ahead."""


@dataclass(frozen=True, kw_only=True)
class Sales:
    """One store's daily demand, and what it knows about the days to come.

    Rows are consecutive business days from ``first_day``. ``quantities`` has one row for each
    known day; the last of them is the origin, which the store knows completely. The other arrays
    have ``HORIZONS`` more rows, for the days ahead.
    """

    first_day: dt.date
    dishes: tuple[str, ...]
    quantities: FloatArray
    """(days, dishes), portions. NaN means that the day's demand is not known: the store was
    closed, the dish was sold out for most of the day, or it had never been sold before. An
    unknown day is never zero."""
    promotion: FloatArray
    """(days + HORIZONS, dishes), from 0 (none) to 1: the share of a discount; 1 if promoted."""
    closed: BoolArray
    """(days + HORIZONS,): True where the store does not open."""
    holiday: FloatArray
    """(days + HORIZONS,), 0 or 1: as reported, or from the calendar of the store's country."""
    school_holiday: FloatArray
    """(days + HORIZONS,), 0 or 1: as reported; 0 without a report."""
    discounted: FloatArray | None = None
    """(days, dishes), from 0 to 1: the share of a known day's revenue that coupons and discounts
    took, which nobody had planned. It says how far those days tell of others, and nothing of the
    days to come. None: not known."""
    country: str = ""
    """ISO 3166-1 alpha-2, in capitals; empty: not known."""
    names: tuple[str, ...] = field(default=())
    """The dishes' names for people, in the order of ``dishes``."""
    doubtful: tuple[tuple[int, int, float, float], ...] = ()
    """Days whose reported quantity is implausible and therefore treated as unknown: row, column,
    reported quantity, usual quantity."""
    confirmed: BoolArray | None = None
    """(days, dishes): True for a quantity that a person has confirmed. None: none has been."""

    def __post_init__(self) -> None:
        days, dishes = self.quantities.shape
        ahead = days + HORIZONS
        shapes = {
            "promotion": (ahead, dishes),
            "closed": (ahead,),
            "holiday": (ahead,),
            "school_holiday": (ahead,),
        }
        if self.discounted is not None and self.discounted.shape != (days, dishes):
            raise ValueError(f"discounted has shape {self.discounted.shape}, not {(days, dishes)}")
        if dishes != len(self.dishes):
            raise ValueError(f"{len(self.dishes)} dishes are named, quantities have {dishes}")
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")

    @property
    def days(self) -> int:
        """The number of known days."""
        return int(self.quantities.shape[0])

    @property
    def promoted(self) -> FloatArray:
        """(days, dishes): how far each known day was one of promotion or discount."""
        planned = self.promotion[: self.days]
        return planned if self.discounted is None else np.maximum(planned, self.discounted)

    @property
    def last_day(self) -> dt.date:
        """The date of the origin, which is the last known day."""
        return self.day(self.days - 1)

    @property
    def are_whole(self) -> bool:
        """Whether the store sells whole portions only."""
        known = self.quantities[np.isfinite(self.quantities)]
        return bool((known == np.rint(known)).all())

    def day(self, row: int) -> dt.date:
        """The date of a row."""
        return self.first_day + dt.timedelta(days=row)
