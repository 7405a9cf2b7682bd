"""What an address or a form asks for: a verb, and the runs that it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from neural.admin.bulk_form import TARGET
from neural.admin.bulk_links import CHOSEN
from neural.ledger.clock import database_clock
from neural.models import BulkVerb
from neural.runs import meaning
from neural.runs.bulk.checking import MOST_CHOSEN, meant
from neural.runs.query import QueryRefused, RunQuery

OF_THE_FORM = {
    *("verb", "token", "reason", "pace", TARGET, CHOSEN, "csrfmiddlewaretoken"),
    *("action", "index", "select_across"),
}
"""Parameters that are no filters."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the address or the form asks for."""

    verb: str
    params: dict[str, str]
    query: RunQuery | None
    run_ids: Sequence[int] | None

    @property
    def label(self) -> Any:
        return BulkVerb(self.verb).label

    def now(self) -> RunQuery | None:
        """The query as it is now: what comes later is not meant."""
        if self.query is None:
            return None
        return meant(self.verb, self.query).at(database_clock())

    def hidden(self, query: RunQuery | None) -> list[tuple[str, Any]]:
        """The fields of a form that asks for the same."""
        if query is not None:
            return [("verb", self.verb), *query.params().items()]
        return [("verb", self.verb), *((CHOSEN, key) for key in self.run_ids or ())]


def asked_of(request: HttpRequest) -> Asked:
    """What a request asks for; raises :class:`~neural.runs.query.QueryRefused`."""
    data = request.POST if request.method == "POST" else request.GET
    verb = data.get("verb", "")
    if verb not in BulkVerb.values:
        raise QueryRefused({"verb": _("There is no action “%(name)s”.") % {"name": verb}})
    params = {name: data[name] for name in data if name not in OF_THE_FORM and data[name]}
    run_ids = _keys(data.getlist(CHOSEN)) if CHOSEN in data else None
    query = _query(params, request.user) if run_ids is None else None
    return Asked(verb=verb, params=params, query=query, run_ids=run_ids)


def _query(params: dict[str, str], user: Any) -> RunQuery:
    """The query with the meaning of its free text in its place: it means the same later."""
    return meaning.meant(RunQuery.from_params(params), user)


def _keys(texts: Sequence[str]) -> Sequence[int]:
    wrong = [text for text in texts if not (text.isascii() and text.isdigit() and len(text) < 19)]
    if wrong:
        told = _("“%(value)s” is not the number of a run.") % {"value": wrong[0][:100]}
        raise QueryRefused({CHOSEN: told})
    if len(texts) > MOST_CHOSEN:
        told = _("%(count)d runs are chosen; at most %(most)d can be. Choose by a filter.")
        raise QueryRefused({CHOSEN: told % {"count": len(texts), "most": MOST_CHOSEN}})
    return sorted({int(text) for text in texts})
