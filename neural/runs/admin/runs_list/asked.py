"""What an address of the list asks for, or the sentences that say why it is not understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from neural.admin.paging import AFTER, BEFORE, key_in
from neural.kit.keyset.walks import Place
from neural.runs.lookups import Reading, read_as, readings_of
from neural.runs.query import QueryRefused, RunQuery
from neural.runs.selecting import Selection

NEWEST, SHOWN = "newest", "shown"
"""Parameters of the part that refreshes: the newest key that is shown, and all keys."""
_OF_PAGES = (BEFORE, AFTER, NEWEST, SHOWN)


@dataclass(frozen=True)
class Asked:
    """``query`` and ``selection`` are None if there are ``problems`` (sentences by parameter).
    ``readings`` are what free text can mean; the first one is taken."""

    params: Mapping[str, str]
    place: Place
    query: RunQuery | None = None
    selection: Selection | None = None
    readings: list[Reading] = field(default_factory=list)
    problems: Mapping[str, str] = field(default_factory=dict)

    def address(self, **changes: Any) -> str:
        """The list's address with other values; None or an empty text removes a parameter."""
        query = self.query.params() if self.query else dict(self.params)
        return address_of({**query, **changes})


def address_of(params: Mapping[str, Any]) -> str:
    """The list's address with these parameters, from the list itself."""
    return "?" + urlencode({name: value for name, value in params.items() if value})


def asked_by(sent: QueryDict, user: Any) -> Asked:
    """What these parameters ask for."""
    place = _place(sent)
    params, problems = _single(sent)
    try:
        if problems:
            raise QueryRefused(problems)
        query = RunQuery.from_params(params)
        readings = readings_of(query.text, user) if query.text else []
        read = read_as(query, readings[0]) if readings else query
        return Asked(params, place, query, Selection(read, user), readings)
    except QueryRefused as refused:
        return Asked(params, place, problems=refused.problems)


def _place(sent: QueryDict) -> Place:
    after = key_in(sent.get(AFTER))
    return Place(after=after, before=None if after is not None else key_in(sent.get(BEFORE)))


def _single(sent: QueryDict) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters with one value each, and what is wrong with the others."""
    params, problems = {}, {}
    for name, values in sent.lists():
        if name in _OF_PAGES:
            continue
        given = {value.strip() for value in values} - {""}
        if len(given) > 1:
            problems[name] = _("“%(name)s” is given twice: choose one value.") % {"name": name}
        params[name] = next(iter(given), "")
    return {name: value for name, value in params.items() if value}, problems
