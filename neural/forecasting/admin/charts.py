"""Computes the charts of forecasts and errors, in the units of their SVG view boxes.

The charts are SVG made on the server, without scripts or inline styles. They are stretched to the
width of the page, so their texts are HTML beside them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from neural.forecasting.admin.display import SERVED, method_label, per_cent, portions
from neural.forecasting.outlook.accuracy import Accuracy
from neural.forecasting.outlook.report import CANDIDATE, Report, StoreReport
from neural.forecasting.outlook.review import ForecastDay
from neural.kit.charts import Bar, bar_of

DAY_WIDTH, BAR_WIDTH, HEIGHT = 10, 6, 100
SHORTEST = 0.8
SCALE_WIDTH = 1000
SHOWN_STORES = 100


@dataclass(frozen=True)
class Chart:
    """The chart of a store's days: sales as bars, P10 to P90 as a band, P50 as a line in it."""

    width: int
    top: float
    bars: Sequence[Bar]
    bands: Sequence[Bar]
    middles: Sequence[Bar]
    ahead: float
    """The x coordinate from which on no sales are known yet."""

    @property
    def rest(self) -> float:
        """The width of the days without known sales."""
        return self.width - self.ahead


def chart_of(days: Sequence[ForecastDay]) -> Chart:
    """The chart of these days, scaled to the highest bar or band."""
    highs = [day.band.high for day in days if day.band]
    top = max([*highs, *(day.sold for day in days if day.sold is not None)], default=0.0) or 1.0
    places = list(enumerate(days))
    known = [place for place, day in places if day.sold is not None]
    return Chart(
        width=len(days) * DAY_WIDTH,
        top=top,
        bars=[_bar(place, day, top) for place, day in places if day.sold is not None],
        bands=[_band(place, day, top) for place, day in places if day.band],
        middles=[_middle(place, day, top) for place, day in places if day.band],
        ahead=(max(known, default=-1) + 1) * DAY_WIDTH,
    )


def _bar(place: int, day: ForecastDay, top: float) -> Bar:
    height = max((day.sold or 0.0) / top * HEIGHT, SHORTEST)
    x = place * DAY_WIDTH + (DAY_WIDTH - BAR_WIDTH) / 2
    kind = day.verdict or "unjudged"
    return bar_of(kind, x, HEIGHT - height, BAR_WIDTH, height, day_title(day))


def _band(place: int, day: ForecastDay, top: float) -> Bar:
    assert day.band is not None
    y = HEIGHT - day.band.high / top * HEIGHT
    height = max((day.band.high - day.band.low) / top * HEIGHT, SHORTEST)
    return bar_of("band", place * DAY_WIDTH, y, DAY_WIDTH, height, day_title(day))


def _middle(place: int, day: ForecastDay, top: float) -> Bar:
    assert day.band is not None
    y = HEIGHT - day.band.middle / top * HEIGHT
    return bar_of("middle", place * DAY_WIDTH, y, DAY_WIDTH, 0, day_title(day))


def day_title(day: ForecastDay) -> str:
    """A day in words: 2026-03-02 Mon: sold 41; forecast 38, 29 to 48."""
    parts = []
    if day.sold is not None:
        parts.append(_("sold %(quantity)s") % {"quantity": portions(day.sold)})
    if day.band:
        values = {
            "middle": portions(day.band.middle),
            "low": portions(day.band.low),
            "high": portions(day.band.high),
        }
        parts.append(_("forecast %(middle)s, %(low)s to %(high)s") % values)
    return f"{date_format(day.day, 'Y-m-d D')}: {'; '.join(parts)}"


@dataclass(frozen=True)
class Dot:
    """A method's error on the scale of a store's row."""

    x: float
    method: str
    title: str


@dataclass(frozen=True)
class ErrorRow:
    """The errors of a store, or of another line of accuracy: one dot for each method."""

    of: StoreReport | Accuracy
    dots: Sequence[Dot]
    left: float
    right: float


@dataclass(frozen=True)
class ErrorPlot:
    """WAPE by store. ``ticks`` are the labels at the quarters of the scale."""

    rows: Sequence[ErrorRow]
    methods: Sequence[str]
    ticks: Sequence[str]
    left_out: int
    """The number of stores that are not shown because there are too many."""


def error_plot(report: Report) -> ErrorPlot:
    """The plot of a report's stores. Those with the least gain come first, because they need
    attention."""
    judged = [each for each in report.stores if each.methods]
    visible = sorted(judged, key=_gain)[:SHOWN_STORES]
    top = _round_up(max((w for each in visible for w in _errors(each)), default=0.0))
    rows = [_row(each, report.methods, top) for each in visible]
    return ErrorPlot(rows, report.methods, _ticks(top), len(judged) - len(visible))


@dataclass(frozen=True)
class AccuracyPlot:
    """What was served beside the rule, on one scale."""

    sections: Mapping[str, Sequence[ErrorRow]]
    """The lines under each heading; the first hundred of them."""
    ticks: Sequence[str]


def accuracy_plot(sections: Mapping[str, Sequence[Accuracy]]) -> AccuracyPlot:
    """The plot of these lines under their headings. An error above 100 % is at the end."""
    lines = {name: [each for each in found if each.sold] for name, found in sections.items()}
    visible = {name: found[:SHOWN_STORES] for name, found in lines.items() if found}
    errors = (max(_pair(each)) for found in visible.values() for each in found)
    top = min(_round_up(max(errors, default=0.0)), 1.0)
    return AccuracyPlot(
        {name: [_line(each, top) for each in found] for name, found in visible.items()},
        _ticks(top),
    )


def _pair(line: Accuracy) -> tuple[float, float]:
    return line.wape or 0.0, line.rule_wape or 0.0


def _line(line: Accuracy, top: float) -> ErrorRow:
    own, rule = _pair(line)
    dots = [_dot_at(rule, "weekday_mean", top), _dot_at(own, SERVED, top)]
    places = [dot.x for dot in dots]
    return ErrorRow(line, dots, min(places), max(places))


def _ticks(top: float) -> Sequence[str]:
    return [per_cent(top * quarter / 4).replace(".0%", "%") for quarter in range(5)]


def _gain(store: StoreReport) -> tuple[bool, float, str]:
    known = store.gain
    return known is None, known or 0.0, store.update.store_id


def _errors(store: StoreReport) -> Iterable[float]:
    return (figures["wape"] or 0.0 for figures in store.methods.values())


def _row(store: StoreReport, methods: Sequence[str], top: float) -> ErrorRow:
    # The candidate comes last, so that it is drawn over the others.
    names = [name for name in reversed(methods) if store.wape(name) is not None]
    dots = [_dot_at(store.wape(name) or 0.0, name, top) for name in names]
    places = [dot.x for dot in dots]
    return ErrorRow(store, dots, min(places, default=0), max(places, default=0))


def _dot_at(error: float, method: str, top: float) -> Dot:
    kind = method if method in KNOWN else "other"
    x = min(error / top, 1.0) * SCALE_WIDTH
    return Dot(x, kind, f"{method_label(method)}: {per_cent(error)}")


KNOWN = (CANDIDATE, SERVED, "active", "weekday_mean", "seasonal_naive")


def _round_up(error: float) -> float:
    """Round up to a multiple of 20 %, so that the quarters of the scale are round numbers."""
    return max(-(-error // 0.2) * 0.2, 0.2)
