"""Which runs are meant: what a person typed and chose, and the parameters of an address for it.

What is typed into the search box is taken apart: ``field=value``, quoted texts, the rest.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from neural.kit.errors import NeuralError
from neural.models import RunState
from neural.runs.filters import RUN_FILTERS, RUN_FINDERS

LONGEST_TEXT = 500
GREATEST = 2**63
MOST_TRIES = 60_000
"""Less than the greatest number of failures and losses together that a row has room for."""
ROOM = dt.timedelta(days=2)
"""A time has so much room to the first and the last that there are: readers' zones and margins move
it."""

Reader = Callable[[str], Any]


def read_text(value: str) -> str:
    """A text as it stands. Raises ``ValueError`` if it is too long for any row, or has a NUL."""
    if len(value) > LONGEST_TEXT:
        raise ValueError(
            _("The text has %(length)d characters; at most %(most)d are searched for.")
            % {"length": len(value), "most": LONGEST_TEXT}
        )
    if "\0" in value:
        raise ValueError(_("The text contains a NUL character, which no row has."))
    return value


def read_number(value: str) -> int | None:
    """A whole number, or None for an empty text."""
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) < GREATEST):
        raise ValueError(_("“%(value)s” is not a whole number.") % {"value": value})
    return int(value)


def read_few(value: str) -> int | None:
    """A number of attempts."""
    number = read_number(value)
    if number is not None and number > MOST_TRIES:
        raise ValueError(
            _("“%(value)s”: no run is tried more than %(most)d times.")
            % {"value": value, "most": MOST_TRIES}
        )
    return number


def read_moment(value: str) -> dt.datetime | None:
    """A time in ISO 8601; without a zone it is in the reader's."""
    if not value:
        return None
    try:
        found = dt.datetime.fromisoformat(value)
        found = found if found.tzinfo else timezone.make_aware(found)
        for room in (-ROOM, ROOM):
            (found + room).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            _("“%(value)s” is not a time like 2026-01-31T08:00 or 2026-01-31T08:00+08:00.")
            % {"value": value}
        ) from None
    return found


def one_of(*values: str) -> Callable[[str], str]:
    """A reader of one of these values, or nothing."""

    def read(value: str) -> str:
        if value and value not in values:
            raise ValueError(
                _("“%(value)s” is none of: %(values)s.")
                % {"value": value, "values": ", ".join(values)}
            )
        return value

    return read


SHORT = {"by": "requested_by", "text": "error"}
"""Other names that people type."""
_QUOTES = '"“”„＂'
_PIECE = re.compile(
    rf"(?:(?P<name>[\w.]+)[=＝])?(?:[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)[{_QUOTES}]|(?P<plain>\S+))"
    r"(?=\s|$)"
    rf"|(?P<bare>[\w.]+)[=＝](?=\s|$)|(?P<broken>\S+)"
)


@dataclass
class SearchText:
    """``rest`` is free text, ``fields`` are the values of named fields, ``problems`` say by field
    what could not be understood."""

    rest: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def parsed(text: str) -> SearchText:
    """Take a text apart. A quoted text without a field is looked for in errors, as it stands."""
    found, rest = SearchText(), []
    for name, value in _pieces(text, found.problems):
        if not name:
            rest.append(value)
        elif name in found.fields:
            message = _("“%(name)s” is given again, as “%(value)s”: choose one value.")
            _add(found.problems, name, message % {"name": name, "value": value})
        else:
            found.fields[name] = value
    found.rest = " ".join(rest)
    return found


def _pieces(text: str, problems: dict[str, str]) -> Iterator[tuple[str, str]]:
    for piece in _PIECE.finditer(text):
        name, quoted, plain = piece["name"] or "", piece["quoted"], piece["plain"]
        if quoted is not None:
            yield SHORT.get(name, name) or "error", quoted
        elif piece["bare"]:
            _add(problems, piece["bare"], _("“%(name)s=” has no value.") % {"name": piece["bare"]})
        elif plain is None or any(mark in plain for mark in _QUOTES):
            message = _("“%(piece)s”: a quotation mark has no partner beside it.")
            _add(problems, "text", message % {"piece": piece[0]})
        elif name or not ("=" in plain or "＝" in plain):
            yield SHORT.get(name, name), plain
        else:
            message = _(
                "“%(piece)s” is no filter. Put what stands in an error into quotation marks."
            )
            _add(problems, "text", message % {"piece": plain})


def _add(problems: dict[str, str], name: str, text: str) -> None:
    """Say this too, beside what is said of the same field already."""
    problems[name] = f"{problems[name]} {text}" if name in problems else text


PERIODS = {
    "1h": dt.timedelta(hours=1),
    "24h": dt.timedelta(days=1),
    "7d": dt.timedelta(days=7),
    "30d": dt.timedelta(days=30),
}
EVER = "all"
USUAL_PERIOD = "7d"


class QueryRefused(NeuralError):
    """Parameters do not say which runs are meant; :attr:`problems` has a sentence for each."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True, kw_only=True)
class RunQuery:
    """A choice of runs. Empty values do not limit it; without times it is the last seven days.

    ``text`` is free text that a person typed: :mod:`neural.runs.lookups` finds out what it means.
    ``run`` is a task id, the beginning of one, or ``#`` and a run's number; ``event`` is an event's
    id; ``store`` a code or a part of a name; ``error`` a part of the last error. ``period`` counts
    back from now by the time at which runs were submitted; ``since`` (inclusive) and ``until``
    (exclusive) take its place. ``tries`` is the least number of attempts that failed or were lost.
    ``others`` are the filters and finders of apps.

    A query that names single runs (``run``, ``event``, a finder) looks at all times unless it says
    which.
    """

    state: str = ""
    text: str = ""
    run: str = ""
    event: str = ""
    error: str = ""
    period: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    work: str = ""
    store: str = ""
    queue: str = ""
    worker: int | None = None
    requested_by: str = ""
    tries: int | None = None
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> "RunQuery":
        """The query that parameters of an address mean. ``field=value`` within ``text`` takes the
        place of the parameter. Raises :class:`QueryRefused` for a name or a value that means
        nothing."""
        found: dict[str, Any] = {}
        others: dict[str, str] = {}
        box = parsed(params.get("text", ""))
        problems = dict(box.problems)
        for name, value in {**params, "text": box.rest, **box.fields}.items():
            try:
                if reader := _READERS.get(name):
                    found[name] = reader(value.strip())
                else:
                    others |= _of_app(name, read_text(value.strip()))
            except ValueError as error:
                problems[name] = str(error)
        if problems:
            raise QueryRefused(problems)
        return cls(**found, others=others)

    def params(self) -> dict[str, str]:
        """The parameters of an address that mean this query; nothing for what does not limit it."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        del own["others"]
        params = {
            name: value.isoformat() if isinstance(value, dt.datetime) else str(value)
            for name, value in own.items()
            if value not in ("", None)
        }
        return params | dict(self.others)

    @property
    def names_runs(self) -> bool:
        """Whether it names single runs, which are found by their ids."""
        return bool(self.run or self.event or self.others.keys() & {*RUN_FINDERS.names()})

    @property
    def shown_period(self) -> str:
        """The period, also where none is given; empty if there are times instead."""
        if self.since or self.until:
            return ""
        return self.period or (EVER if self.names_runs else USUAL_PERIOD)

    @property
    def is_limited_in_time(self) -> bool:
        """Whether it has a beginning or an end."""
        return self.shown_period != EVER

    def times(self, now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Its beginning (inclusive) and end (exclusive), if now is ``now``."""
        if length := PERIODS.get(self.shown_period):
            return now - length, None
        return self.since, self.until

    def at(self, now: dt.datetime) -> "RunQuery":
        """The same query with times instead of a period: it means the same later."""
        if not self.is_limited_in_time:
            return replace(self, period=EVER)
        since, until = self.times(now)
        return replace(self, period="", since=since, until=until or (None if self.since else now))


def _of_app(name: str, value: str) -> dict[str, str]:
    """The value of a filter or finder of an app; nothing if it is empty."""
    if name in RUN_FILTERS:
        if value and (problem := RUN_FILTERS.get(name).check(value)):
            raise ValueError(problem)
    elif name.startswith("payload"):
        raise ValueError(
            _("“%(name)s”: what is in a payload is not searched, because no index has it.")
            % {"name": name}
        )
    elif name not in RUN_FINDERS:
        raise ValueError(
            _("There is no filter “%(name)s”. There are: %(names)s.")
            % {"name": name, "names": ", ".join(known_filters())}
        )
    return {name: value} if value else {}


def known_filters() -> list[str]:
    """The names of all fields that can be typed or be in an address."""
    return [*_READERS, *RUN_FILTERS.names(), *RUN_FINDERS.names()]


_READERS: dict[str, Reader] = {
    "state": one_of(*RunState.values),
    "text": read_text,
    "run": read_text,
    "event": read_text,
    "error": read_text,
    "period": one_of(*PERIODS, EVER),
    "since": read_moment,
    "until": read_moment,
    "work": read_text,
    "store": read_text,
    "queue": read_text,
    "worker": read_number,
    "requested_by": read_text,
    "tries": read_few,
}
