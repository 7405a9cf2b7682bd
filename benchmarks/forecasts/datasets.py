"""Sales to forecast, as one ``Sales`` for each store: the bakery, FreshRetail, or your own file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.isolated import set_up
from benchmarks.machine import DataAbsent, data_file
from neural.forecasting.core.days import calendar
from neural.forecasting.core.series import HORIZONS, Sales

FRESHRETAIL = "freshretail_daily.parquet"
"""FreshRetailNet-50K, aggregated to days."""
OUT_OF_STOCK_HOURS = 12
"""A day with this many hours without stock says nothing about demand."""
PRODUCTS, STORES = 20, 102
CHOOSING_DAYS = 48
"""The top products are chosen by the first days, for which no forecast is scored."""

_FLAGS = ("promotion", "holiday", "school_holiday", "closed", "stockout_hours")
_COUNTABLE = 8.0


def load(name: str, *, country: str = "") -> dict[str, Sales]:
    """``bakery``, ``freshretail-totals``, ``freshretail-products``, or the path of a CSV or parquet
    file with the columns store, dish, day, quantity and any of promotion, holiday,
    school_holiday, closed, stockout_hours."""
    if name == "bakery":
        return from_rows(_bakery(), country="DE")
    if name == "freshretail-totals":
        return from_rows(_freshretail_totals(_freshretail()), country="CN")
    if name == "freshretail-products":
        return from_rows(_freshretail_products(_freshretail()), country="CN")
    path = Path(name)
    if not path.is_file():
        raise DataAbsent(f"there is no file {path}")
    rows = pd.read_csv(path) if ".csv" in path.suffixes else pd.read_parquet(path)
    return from_rows(rows, country=country)


def from_rows(rows: pd.DataFrame, *, country: str = "") -> dict[str, Sales]:
    """``Sales`` by store: its rows (one a day and dish) become arrays over one span of days."""
    rows = rows.assign(
        day=pd.to_datetime(rows["day"]).dt.normalize(),
        store=rows["store"].astype(str),
        dish=rows["dish"].astype(str),
    )
    days = pd.date_range(rows["day"].min(), rows["day"].max())
    unit = float(rows.loc[rows["quantity"] > 0, "quantity"].min())
    return {
        str(store): _sales(of_store, days, country, unit)
        for store, of_store in rows.groupby("store", sort=True)
    }


def _sales(rows: pd.DataFrame, days: pd.DatetimeIndex, country: str, unit: float) -> Sales:
    def wide(column: str) -> np.ndarray:
        table = rows.pivot_table(index="day", columns="dish", values=column, aggfunc="sum")
        return table.reindex(index=days, columns=dishes).to_numpy(dtype=float)

    rows = rows.assign(**{each: 0.0 for each in _FLAGS if each not in rows})
    dishes = sorted(rows["dish"].unique())
    quantities = wide("quantity")
    # A day without rows has no known flags: use zero, as for the days after the last one.
    flags = {each: _ahead(np.nan_to_num(wide(each))) for each in _FLAGS}
    closed = (flags["closed"].max(axis=1) > 0) | _ahead(_shut(quantities, unit))
    gone = closed[: len(days), None] | (flags["stockout_hours"][: len(days)] >= OUT_OF_STOCK_HOURS)
    first_day = days[0].date()
    of_country = calendar(country=country, first_day=first_day, days=len(closed)).holiday
    return Sales(
        first_day=first_day,
        dishes=tuple(dishes),
        quantities=np.where(gone, np.nan, np.maximum(quantities, 0.0)),
        promotion=np.clip(flags["promotion"], 0.0, 1.0),
        closed=closed,
        holiday=np.maximum((flags["holiday"].max(axis=1) > 0).astype(float), of_country),
        school_holiday=(flags["school_holiday"].max(axis=1) > 0).astype(float),
        country=country,
    )


def _ahead(known: np.ndarray) -> np.ndarray:
    """The array, extended by the days ahead, about which nothing is known."""
    more = np.zeros((HORIZONS, *known.shape[1:]), dtype=known.dtype)
    return np.concatenate([known, more])


def _shut(quantities: np.ndarray, unit: float) -> np.ndarray:
    """Days without a row, or on which a store that sells by the dozen sold nothing."""
    total = np.nansum(quantities, axis=1)
    unknown = np.isnan(quantities).all(axis=1)
    sold = total[total > 0]
    busy = len(sold) > 0 and np.median(sold) >= _COUNTABLE * unit
    return unknown | ((total <= 0) & busy)


def _bakery() -> pd.DataFrame:
    set_up(migrates=False)
    from zhilian.demo import bakery  # it imports models

    try:
        path = bakery.data_file()
    except bakery.BakeryDataMissing as missing:
        raise DataAbsent(str(missing)) from missing
    rows = pd.read_csv(path)
    return pd.DataFrame(
        {
            "store": [bakery.shop_code(f"{each:02d}") for each in rows["shop_no"]],
            "dish": rows["product_no"],
            "day": rows["date_short"],
            "quantity": rows["demand"],
            "promotion": rows["promotion_currentweek"],
            "holiday": rows["is_holiday"].astype(float),
            "school_holiday": rows["is_schoolholiday"].astype(float),
        }
    )


def _freshretail() -> pd.DataFrame:
    rows = pd.read_parquet(data_file(FRESHRETAIL))
    return pd.DataFrame(
        {
            "store": rows["store_id"].map("{:04d}".format),
            "dish": rows["product_id"].map("{:04d}".format),
            "day": rows["dt"],
            "quantity": rows["sale"],
            "promotion": 1.0 - rows["discount"].clip(0.0, 1.0),
            "holiday": rows["holiday"].astype(float),
            "stockout_hours": rows["stockout_hours"].astype(float),
        }
    )


def _freshretail_totals(rows: pd.DataFrame) -> pd.DataFrame:
    total = rows.groupby(["store", "day"], as_index=False).agg(
        quantity=("quantity", "sum"), promotion=("promotion", "mean"), holiday=("holiday", "max")
    )
    return total.assign(dish="all")


def _freshretail_products(rows: pd.DataFrame) -> pd.DataFrame:
    choosing = rows[rows["day"] < str(_after(rows["day"].min(), CHOOSING_DAYS))]
    sold = choosing.groupby(["store", "dish"])["quantity"].sum()
    top = sold.groupby("store", group_keys=False).nlargest(PRODUCTS)
    full = top.groupby("store").size()
    stores = list(full[full == PRODUCTS].index)[:: max(len(full) // STORES, 1)][:STORES]
    kept = top[top.index.get_level_values("store").isin(stores)].index
    return rows.set_index(["store", "dish"]).loc[kept].reset_index()


def _after(day: str, days: int) -> dt.date:
    return dt.date.fromisoformat(day) + dt.timedelta(days=days)
