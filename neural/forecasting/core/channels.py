"""Features of how guests get their orders: in the store, to take away, delivered. Pure.

Dishes differ in how often they are delivered. If a store's deliveries grow, so do the dishes that
are delivered often, also those whose own days are too noisy to show it. Every feature of a day uses
the days up to then, and is 0 where no channel is known, or where all channels go the same way.
"""

import numpy as np

from neural.forecasting.core.lags import Past, shifted, windowed
from neural.forecasting.core.series import CHANNELS, BoolArray, FloatArray, Sales

OF_CHANNELS = ("channel_trend", "delivery_growth")
"""The names of the columns that :func:`of_channels` returns."""

MONTH, FORTNIGHT = 28, 14
LEAST_DAYS = 7
"""With fewer days on which channels are known, a span says nothing."""
PRIOR = 10.0
"""The number of portions by which shares and growth are held to what is usual."""
MOST_GROWTH = 2.0
"""The limit of the logarithm of a growth."""
UNIT = 0.25
"""A change by some tenths is much, but would count as little beside features that are as large as
1 (``glm.LEAST_SCALE``). In this unit, growing stores were forecast by another 1 to 2 % better."""
_DELIVERY = CHANNELS.index("delivery")


def of_channels(sales: Sales, past: Past) -> FloatArray:
    """(days, dishes, len(OF_CHANNELS)).

    ``channel_trend`` is the logarithm of what the dish would sell, for what it sells, if each of
    its channels gained or lost once more what that channel gained or lost in the store's sales,
    from the four weeks before the last four to these. ``delivery_growth`` is the logarithm of the
    growth of the store's deliveries from two weeks to the next two, times the dish's share of
    deliveries. Both are in units of :data:`UNIT`.
    """
    if sales.channels is None:
        return np.zeros((*sales.quantities.shape, len(OF_CHANNELS)))
    told = np.asarray(sales.channels.sum(axis=(0, 2)) > 0)
    parts = _parts(sales.channels, past) * told[:, None, None]
    store = parts.sum(axis=1)
    shares = _shares_of_dishes(parts, store)
    growth = _growth(store[:, _DELIVERY], told)
    columns = [_trend(store, shares, told), shares[:, :, _DELIVERY] * growth[:, None]]
    return np.stack(columns, axis=2) / UNIT


def _parts(channels: FloatArray, past: Past) -> FloatArray:
    """(days, dishes, channels + 1): the portions of each known day by channel; the last are those
    of no known channel. Orders that say more than the day's report are scaled down to it."""
    by_channel = np.moveaxis(channels, 0, 2) * past.known[:, :, None]
    total = by_channel.sum(axis=2)
    within = np.divide(past.sold, total, out=np.ones_like(total), where=total > past.sold)
    by_channel = by_channel * within[:, :, None]
    rest = np.maximum(past.sold - by_channel.sum(axis=2), 0.0)
    return np.concatenate([by_channel, rest[:, :, None]], axis=2)


def _shares_of_dishes(parts: FloatArray, store: FloatArray) -> FloatArray:
    """(days, dishes, channels + 1): the share of each channel in the dish's last four weeks. A dish
    of which few portions were sold has the store's shares."""
    own, of_store = windowed(parts, MONTH), windowed(store, MONTH)
    usual = _normalised(of_store)[:, None, :]
    total: FloatArray = own.sum(axis=2, keepdims=True)
    return (own + PRIOR * usual) / (total + PRIOR)


def _trend(store: FloatArray, shares: FloatArray, told: BoolArray) -> FloatArray:
    """(days, dishes): the trends of the channels' shares, as each dish has part in them."""
    now = windowed(store, MONTH)
    before = shifted(now, MONTH)
    usual = PRIOR * _normalised(now + before)
    ratio = _ratio(_normalised(now + usual), _normalised(before + usual))
    trend = np.log(np.clip((shares * ratio[:, None, :]).sum(axis=2), 0.2, 5.0))
    return np.where(_both_known(told, MONTH)[:, None], trend, 0.0)


def _growth(sold: FloatArray, told: BoolArray) -> FloatArray:
    """(days,): log of the sales a day in the last two weeks / in the two weeks before."""
    days = windowed(told.astype(np.float64), FORTNIGHT)
    now = windowed(sold, FORTNIGHT)
    known = _both_known(told, FORTNIGHT)
    before = shifted(now, FORTNIGHT) * _ratio(days, shifted(days, FORTNIGHT))
    growth = np.log((now + PRIOR) / (before + PRIOR))
    return np.where(known, np.clip(growth, -MOST_GROWTH, MOST_GROWTH), 0.0)


def _both_known(told: BoolArray, length: int) -> BoolArray:
    """(days,): whether channels are known on enough days of the last ``length`` and of those
    before."""
    days = windowed(told.astype(np.float64), length)
    return np.asarray((days >= LEAST_DAYS) & (shifted(days, length) >= LEAST_DAYS))


def _normalised(values: FloatArray) -> FloatArray:
    """The shares along the last axis; 0 where there is nothing."""
    total = values.sum(axis=-1, keepdims=True)
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def _ratio(values: FloatArray, by: FloatArray) -> FloatArray:
    """values / by; 1 where ``by`` is 0."""
    return np.divide(values, by, out=np.ones_like(values), where=by > 0)
