"""Computes charts in the units of their SVG view boxes. Imports no Django.

The drawings are made on the server, without scripts or inline styles. They are stretched to the
width of their cards, so their texts are HTML beside them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 150
LINE_WIDTH, LINE_HEIGHT = 100, 28
SHORTEST = 1.0
"""The height of the smallest bar that is not empty."""
GAP = 0.15
"""The share of a column's width that stays empty."""
OTHERS = 5
"""From this number of series on, series have the last colour."""
FAILED = "failed"


def coordinate(value: float) -> str:
    """A number of a drawing, with a decimal point in every language."""
    return f"{value:.1f}"


def line_of(values: Sequence[float | None], *, top: float | None = None) -> list[str]:
    """The polylines of a small line: one for each stretch of known values. 0 is at the bottom."""
    top = top or max((each for each in values if each is not None), default=0) or 1
    step = LINE_WIDTH / max(len(values) - 1, 1)
    places = [
        None if each is None else (n * step, LINE_HEIGHT - 1 - each / top * (LINE_HEIGHT - 2))
        for n, each in enumerate(values)
    ]
    return _polylines(places)


def _polylines(places: Sequence[tuple[float, float] | None]) -> list[str]:
    """The ``points`` of polylines through these places, broken where there is none."""
    lines: list[list[tuple[float, float]]] = [[]]
    for place in places:
        if place is not None:
            lines[-1].append(place)
        elif lines[-1]:
            lines.append([])
    return [" ".join(map(_point, _widened(line))) for line in lines if line]


def _widened(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A line of one point gets a length, else nothing is drawn."""
    return line if len(line) > 1 else [line[0], (line[0][0] + 1, line[0][1])]


def _point(place: tuple[float, float]) -> str:
    return f"{coordinate(place[0])},{coordinate(place[1])}"


@dataclass(frozen=True)
class Bar:
    """A rectangle; coordinates are texts. ``title`` is its tooltip."""

    kind: str
    x: str
    y: str
    width: str
    height: str
    title: str = ""


def bar_of(kind: str, x: float, y: float, width: float, height: float, title: str = "") -> Bar:
    """A rectangle with this upper left corner."""
    return Bar(kind, coordinate(x), coordinate(y), coordinate(width), coordinate(height), title)


def standing(
    place: int,
    share: float,
    *,
    step: float,
    height: float,
    gap: float = GAP,
    shortest: float = SHORTEST,
    kind: str = "",
    title: str = "",
) -> Bar:
    """The bar at a place of a row of bars, which fills a share of the height from below: in the
    middle of its ``step``, of whose width a share (``gap``) stays empty."""
    tall = max(share * height, shortest) if share else 0.0
    x = (place + gap / 2) * step
    return bar_of(kind, x, height - tall, step * (1 - gap), tall, title)


@dataclass(frozen=True)
class Column:
    """The bars of one moment, and the rectangle over its whole height that shows the title."""

    title: str
    bars: Sequence[Bar]
    hit: Bar


@dataclass(frozen=True)
class Stack:
    """Stacked bars."""

    columns: Sequence[Column]
    top: float
    """The value at the upper edge."""


def kinds_of(names: Sequence[str]) -> Mapping[str, str]:
    """The class of each series: those of queues in their order, and one for failures."""
    queues = [name for name in names if name != FAILED]
    kinds = {name: f"series-{min(n, OTHERS - 1)}" for n, name in enumerate(queues)}
    return kinds | {FAILED: "series-failed"}


def stack_of(
    values: Sequence[Mapping[str, float]], titles: Sequence[str], names: Sequence[str]
) -> Stack:
    """A column for each moment; its series are stacked in the order of ``names``."""
    top = max((sum(each.values()) for each in values), default=0) or 1
    width = WIDTH / max(len(values), 1)
    kinds = kinds_of(names)
    columns = []
    for n, (each, title) in enumerate(zip(values, titles, strict=True)):
        x, y = n * width, float(HEIGHT)
        bars = []
        for name in names:
            if value := each.get(name, 0):
                height = max(value / top * HEIGHT, SHORTEST)
                y -= height
                bars.append(bar_of(kinds[name], x, max(y, 0), width * (1 - GAP), height))
        columns.append(Column(title, bars, bar_of("hit", x, 0, width, HEIGHT)))
    return Stack(columns, top)


@dataclass(frozen=True)
class LogPlot:
    """Lines on a logarithmic scale."""

    lines: Sequence[tuple[str, Sequence[str]]]
    """The kind of each line and the points of its polylines."""
    ticks: Sequence[float]
    """The values of the scale from top to bottom, evenly spaced."""
    grid: Sequence[str]
    """The heights of the grid's lines."""
    limit: str
    """The height of the limit; empty if there is none on the scale."""


def log_plot(
    lines: Mapping[str, Sequence[float | None]], *, limit: float | None, least: float = 0.001
) -> LogPlot:
    """Lines by kind; values below ``least`` are drawn at the bottom."""
    known = [value for line in lines.values() for value in line if value is not None]
    known += [limit] if limit else []
    low = math.floor(math.log10(max(min(known, default=least), least)))
    high = max(math.ceil(math.log10(max([*known, least]))), low + 2)
    high += (high - low) % 2  # so that every second decade ends at the top

    def height(value: float) -> float:
        share = (math.log10(max(value, 10**low)) - low) / (high - low)
        return HEIGHT - share * HEIGHT

    drawn = []
    for kind, values in lines.items():
        step = WIDTH / max(len(values) - 1, 1)
        places = [None if v is None else (n * step, height(v)) for n, v in enumerate(values)]
        drawn.append((kind, _polylines(places)))
    every = 1 if high - low <= 4 else 2
    ticks = [10.0**power for power in range(high, low - 1, -every)]
    return LogPlot(
        lines=drawn,
        ticks=ticks,
        grid=[coordinate(height(tick)) for tick in ticks],
        limit=coordinate(height(limit)) if limit else "",
    )
