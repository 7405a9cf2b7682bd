"""A query of runs, and what a bulk action does, in words for people."""

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from neural.admin.display import instant, named_work
from neural.models import BulkAction
from neural.runs.acts import QUEUE
from neural.runs.admin.runs_list.chips import in_words, labels
from neural.runs.query import EVER, QueryRefused, RunQuery

Words = Sequence[tuple[Any, Any]]
"""Labels and values."""
TIMES = ("period", "since", "until")


def words_of(query: RunQuery, user: Any) -> Words:
    """What the query is limited by. A parameter without words of its own is displayed as it is: an
    action is never begun without a person seeing all that limits it."""
    named = labels()
    params = {name: value for name, value in query.params().items() if name not in TIMES}
    words = [(named.get(name, name), _in_words(name, params[name], user)) for name in params]
    return [*words, (pgettext("time", "submitted"), _time(query))]


def _in_words(name: str, value: str, user: Any) -> Any:
    """As the chips of the list display it, but a work in full: its title alone may be another's."""
    return named_work(value) if name == "work" else in_words(name, value, user)[0]


def _time(query: RunQuery) -> Any:
    if query.since and query.until:
        return format_html(
            _("from {since} until {until}"),
            since=instant(query.since),
            until=instant(query.until),
        )
    if query.since:
        return format_html(_("since {since}"), since=instant(query.since))
    if query.until:
        return format_html(_("until {until}"), until=instant(query.until))
    return _("at any time") if query.period == EVER else query.period


def words_of_action(action: BulkAction, user: Any) -> Words:
    """Which runs an action means."""
    if action.is_of_chosen:
        count = len(action.run_ids or ())
        chosen = ngettext("%(count)d chosen one by one", "%(count)d chosen one by one", count)
        return [(_("runs"), chosen % {"count": count})]
    try:
        return words_of(RunQuery.from_params(action.query), user)
    except QueryRefused as refused:  # the app of a filter was taken out since
        return [(_("filter"), str(refused))]


def target_of(action: BulkAction) -> str:
    """The queue to which an action moves runs."""
    return str(action.values.get(QUEUE, ""))
