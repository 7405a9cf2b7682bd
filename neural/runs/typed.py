"""What a person types into the search box, taken apart: ``field=value``, quoted texts, the rest."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

SHORT = {"by": "requested_by", "text": "error"}
"""Other names that people type."""
_QUOTES = '"“”„＂'
_PIECE = re.compile(
    rf"(?:(?P<name>[\w.]+)[=＝])?(?:[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)[{_QUOTES}]|(?P<plain>\S+))"
    r"(?=\s|$)"
    rf"|(?P<bare>[\w.]+)[=＝](?=\s|$)|(?P<broken>\S+)"
)


@dataclass
class Typed:
    """``rest`` is free text, ``fields`` are the values of named fields, ``problems`` say by field
    what could not be understood."""

    rest: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def typed(text: str) -> Typed:
    """Take a text apart. A quoted text without a field is looked for in errors, as it stands."""
    found, rest = Typed(), []
    for name, value in _pieces(text, found.problems):
        if not name:
            rest.append(value)
        elif name in found.fields:
            told = _("“%(name)s” is given again, as “%(value)s”: choose one value.")
            _add(found.problems, name, told % {"name": name, "value": value})
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
            told = _("“%(piece)s”: a quotation mark has no partner beside it.")
            _add(problems, "text", told % {"piece": piece[0]})
        elif name or not ("=" in plain or "＝" in plain):
            yield SHORT.get(name, name), plain
        else:
            told = _("“%(piece)s” is no filter. Put what stands in an error into quotation marks.")
            _add(problems, "text", told % {"piece": plain})


def _add(problems: dict[str, str], name: str, told: str) -> None:
    """Tell this too, beside what is told of the same field already."""
    problems[name] = f"{problems[name]} {told}" if name in problems else told
