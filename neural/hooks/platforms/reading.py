"""Reads JSON and forms that a platform sent, and names what is not as it should be."""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from neural.hooks.platforms.amounts import (
    EARLIEST_YEAR,
    LARGEST,
    LATEST_YEAR,
    PLACES,
    QUANTITY_PLACES,
    exact,
    from_epoch,
    from_iso,
    is_finite,
    major,
    minor,
    rounded,
)
from neural.hooks.platforms.base import CannotTranslate, PushUnreadable, Received
from neural.kit.storable import storable

DEEPEST = 64
MOST_PARTS = 1000
MOST_NESTED = 10
"""Levels of lists within lists, like the modifiers of modifiers."""
LONGEST_ID = 100
LONGEST_NAME = 200
LONGEST_NOTE = 500
MOST_GUESTS = 10_000
LARGEST_QUANTITY = 1_000_000
_LONG_NUMBER = re.compile(r"[+(]{0,2}\d(?:[ \t().\u2010-\u2015-]{0,2}\d){6,}(?:_\d+)?")
"""Seven digits or more, also in groups: 138 0013 8000, (415) 555-0199."""


def json_of(body: bytes | str) -> Any:
    """The JSON of a body, as a database can keep it: a lone surrogate and a NUL become U+FFFD.

    Raises :class:`PushUnreadable`, also for infinite numbers and more than :data:`DEEPEST` levels.
    """
    return storable_json(json_as_sent(body))


def json_as_sent(body: bytes | str) -> Any:
    """The JSON of a body as it was signed. Raises :class:`PushUnreadable`."""
    try:
        value = json.loads(body, parse_constant=_no_number)
    except RecursionError:
        raise PushUnreadable(f"nested deeper than {DEEPEST} levels") from None
    except ValueError as error:  # also text that is not UTF-8, and numbers of 5,000 digits
        raise PushUnreadable(f"it is not JSON: {type(error).__name__}") from None
    _check(value)
    return value


def object_of(body: bytes | str) -> dict[str, Any]:
    """The JSON object of a body; raises :class:`PushUnreadable`."""
    value = json_of(body)
    if not isinstance(value, dict):
        raise PushUnreadable(f"it is {kind_of(value)}, not an object")
    return value


def query_of(url: str) -> dict[str, str]:
    """The decoded parameters of an address."""
    return _pairs(urlsplit(url).query)


def form_of(request: Received) -> dict[str, str]:
    """The decoded fields of a form, and of the address."""
    try:
        body = request.body.decode("ascii")
    except UnicodeDecodeError:
        raise PushUnreadable("it is not a form") from None
    return query_of(request.url) | _pairs(body)


def _pairs(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARTS))
    except ValueError:
        raise PushUnreadable(f"it has more than {MOST_PARTS} fields") from None


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _check(value: Any) -> None:
    """Without recursion, because that is what a deep value would break."""
    level = [value]
    for _depth in range(DEEPEST):
        if not all(map(is_finite, level)):
            raise PushUnreadable("it has an infinite number")
        level = [part for each in level for part in _parts(each)]
        if not level:
            return
    raise PushUnreadable(f"nested deeper than {DEEPEST} levels")


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def storable_json(value: Any) -> Any:
    """JSON without what a database refuses."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_json(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): storable_json(each) for name, each in value.items()}
    return value


def without_phones(text: str) -> str:
    """A guest's wish without the telephone numbers that some platforms write into it."""
    return _LONG_NUMBER.sub("…", text)


def last_digits(phone: str) -> str:
    """The last four digits of a telephone number, without the extension of a proxy number."""
    digits = re.search(r"(\d{4})$", re.split(r"[_,;转]", phone.strip())[0].strip())
    return digits[1] if digits and digits[1].isascii() else ""


@contextmanager
def pushed_object(request: Received) -> Iterator["Fields"]:
    """The JSON object of a request, while it is received."""
    with unreadable_if_wrong():
        yield Fields(object_of(request.body))


@contextmanager
def unreadable_if_wrong() -> Iterator[None]:
    """What is wrong with a field of a push makes it unreadable, while it is received."""
    try:
        yield
    except CannotTranslate as wrong:
        raise PushUnreadable(str(wrong)) from None


def kind_of(value: Any) -> str:
    """What a value of JSON is, for error messages that do not contain the value."""
    if value is None:
        return "missing"
    kinds = {bool: "true or false", str: "a text", dict: "an object", list: "a list"}
    return kinds.get(type(value), "a number")


class Fields:
    """A JSON object, and where it is in a push. Each method reads one field as one type and raises
    :class:`CannotTranslate`, which names the field, if it is of another type."""

    def __init__(self, value: Any, place: str = "") -> None:
        if not isinstance(value, Mapping):
            raise CannotTranslate(f"{place or 'the push'} must be an object, not {kind_of(value)}")
        self.value = value
        self.place = place

    def has(self, name: str) -> bool:
        """Whether a field is stated: not missing, null, empty text or an empty list."""
        return self.value.get(name) not in (None, "", [], {})

    def wrong(self, name: str, wanted: str) -> CannotTranslate:
        return CannotTranslate(
            f"{self._at(name)} must be {wanted}, not {kind_of(self.value.get(name))}"
        )

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def at(self, name: str) -> "Fields":
        """A required object."""
        return Fields(self.value.get(name), self._at(name))

    def part(self, name: str) -> "Fields":
        """An object; an empty one if there is none."""
        value = self.value.get(name)
        return Fields({} if value is None else value, self._at(name))

    def each(self, name: str) -> list["Fields"]:
        """The objects of a list; none if there is no list."""
        value = self.value.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        if self.place.count("[") > MOST_NESTED:
            raise CannotTranslate(f"{self.place[:200]} is nested deeper than {MOST_NESTED} levels")
        if len(value) > MOST_PARTS:
            raise CannotTranslate(f"{self._at(name)} has more than {MOST_PARTS} entries")
        return [Fields(each, f"{self._at(name)}[{index}]") for index, each in enumerate(value)]

    def id(self, name: str) -> str:
        """A required id, as text. A float is none: it has lost digits of an id of 18."""
        found = self.id_or_none(name)
        if not found:
            raise self.wrong(name, f"an id of 1 to {LONGEST_ID} characters")
        return found

    def id_or_none(self, name: str) -> str:
        """An id as text; empty if there is none."""
        value = self.value.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.wrong(name, "an id")
        if isinstance(value, int) and abs(value) >= 10**LONGEST_ID:
            raise self.wrong(name, f"an id of 1 to {LONGEST_ID} characters")
        text = storable(str(value)).strip()
        if len(text) > LONGEST_ID:
            raise self.wrong(name, f"an id of 1 to {LONGEST_ID} characters")
        return text

    def text(self, name: str, most: int = LONGEST_ID) -> str:
        """A text for people, cut to so many characters; empty if there is none."""
        value = self.value.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(name, "a text")
        if isinstance(value, int) and abs(value) >= 10**LONGEST_ID:
            raise self.wrong(name, "a text")
        return storable(str(value)).strip()[:most].strip()

    def name(self, name: str) -> str:
        return self.text(name, LONGEST_NAME)

    def note(self, name: str) -> str:
        """What people wrote, without telephone numbers."""
        return without_phones(self.text(name, LONGEST_NOTE))

    def guests(self, name: str, least: int = 1) -> int | None:
        """How many guests there are; None where a platform states none or nonsense."""
        guests = self.integer(name)
        return guests if guests is not None and least <= guests <= MOST_GUESTS else None

    def flag(self, name: str) -> bool:
        value = self.value.get(name)
        if value not in (None, True, False):
            raise self.wrong(name, "true or false")
        return bool(value)

    def integer(self, name: str) -> int | None:
        """A whole number, also as text; None if there is none."""
        number = exact(self.value.get(name)) if self.has(name) else None
        if number is None and not self.has(name):
            return None
        if number is None or number != number.to_integral_value():
            raise self.wrong(name, "a whole number")
        return int(number)

    def number(self, name: str, places: int = PLACES) -> Decimal | None:
        """An amount in major units, with a sign; None if there is none."""
        if not self.has(name):
            return None
        number = major(self.value[name], places)
        if number is None:
            raise self.wrong(name, f"an amount below {LARGEST:,}")
        return number

    def money(self, name: str) -> Decimal:
        """An amount in major units, with a sign; 0 if there is none."""
        return self.number(name) or Decimal(0)

    def cents(self, name: str, digits: int) -> Decimal:
        """An amount in the smallest unit, in major units, with a sign; 0 if there is none."""
        return self.cents_or_none(name, digits) or Decimal(0)

    def cents_or_none(self, name: str, digits: int) -> Decimal | None:
        if not self.has(name):
            return None
        number = minor(self.value[name], digits)
        if number is None:
            raise self.wrong(name, f"a number of the smallest unit, below {LARGEST:,}")
        return number

    def quantity(self, name: str, default: int | None = None) -> Decimal:
        """A quantity, with at most six places. Without a default, it is required."""
        if default is not None and not self.has(name):
            return Decimal(default)
        number = major(self.value.get(name), QUANTITY_PLACES)
        if number is None or not 0 <= number < LARGEST_QUANTITY:
            raise self.wrong(name, f"a quantity from 0 to {LARGEST_QUANTITY:,}")
        return number

    def rate(self, name: str) -> Decimal | None:
        """A rate in per cent, for people to read; None if there is none that can be read."""
        number = exact(self.value.get(name))
        return rounded(number, 6) if number is not None and 0 <= number < 100_000 else None

    def moment(self, name: str) -> dt.datetime | None:
        """A time in ISO 8601; None if there is none."""
        if not self.has(name):
            return None
        moment = from_iso(self.value[name])
        if moment is None:
            raise self.wrong(name, "a time in ISO 8601 from 1970 to 2200")
        return moment

    def instant(self, *names: str) -> dt.datetime:
        """The first of these times that is stated; required, with its zone."""
        moment = next((self.moment(name) for name in names if self.has(name)), None)
        if moment is None or moment.utcoffset() is None:
            raise self.wrong(names[0], "a time in ISO 8601 with its zone")
        return moment

    def epoch(self, name: str) -> dt.datetime | None:
        """A time in seconds or milliseconds since 1970; None if there is none or it is 0."""
        if not self.has(name) or exact(self.value[name]) == 0:
            return None
        moment = from_epoch(self.value[name])
        if moment is None:
            raise self.wrong(name, "a time in seconds or milliseconds since 1970")
        return moment

    def day(self, name: str) -> dt.date | None:
        """A day like 20240401 or 2024-04-01; None if there is none."""
        if not self.has(name):
            return None
        try:
            day = dt.date.fromisoformat(self.text(name))
        except ValueError:
            raise self.wrong(name, "a day like 20240401") from None
        if not EARLIEST_YEAR <= day.year < LATEST_YEAR:
            raise self.wrong(name, f"a day from {EARLIEST_YEAR} to {LATEST_YEAR}")
        return day

    def unknown(self, name: str, known: Any = None) -> CannotTranslate:
        """An error for a state that we do not know; it contains the state."""
        return CannotTranslate(
            f"{self._at(name)} {self.value.get(name)!r:.80} is not known"
            + (f"; known: {', '.join(map(str, known))}" if known else "")
        )

    def one_of(self, name: str, meanings: Mapping[Any, str], default: str = "") -> str:
        """What a state means in the normal form; ``default`` if it is not stated."""
        value = self.value.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int) or value not in meanings:
            raise self.unknown(name, sorted(map(str, meanings)))
        return meanings[value]
