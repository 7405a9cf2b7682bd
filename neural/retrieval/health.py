"""The check of search: is the index up to date, and does it fit the settings?"""

from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health.checks import Check
from neural.health.findings import Finding, in_turn, ok, problem, warning
from neural.health.situation import Situation
from neural.kit.errors import NeuralError
from neural.retrieval.choosing import vector_store
from neural.retrieval.collections.registry import collections
from neural.retrieval.conf import conf
from neural.retrieval.index.lag import (
    Lag,
    counted,
    has_records,
    index_lag,
    index_notices,
)
from neural.retrieval.models import SearchIndex

PATIENCE_SECONDS = 300
"""How long a live change may wait to be indexed. History may wait longer."""


def index_directory() -> Path | None:
    """The directory of a vector store of your own, if it is on this machine."""
    location = conf().vector_store_location
    return Path(location) if conf().search and location and "://" not in location else None


def search_index(situation: Situation) -> Finding:
    """Check that changes are indexed soon and that every index fits the settings."""
    if not conf().search:
        return ok(_("switched off (NEURAL search): nothing new is indexed"))
    lag = index_lag(now=situation.now)
    return _of_blocked(lag) or _unreadable() or _of_indexes() or _of_refused(lag)


def waiting_records(situation: Situation) -> Finding:
    """The part of :func:`search_index` for relays: it does not open the vector store, which may be
    one of your own that does not survive a fork."""
    if not conf().search:
        return search_index(situation)
    lag = situation.once("search", lambda: index_lag(now=situation.now))
    return _of_blocked(lag) or _of_refused(lag)


SEARCH = Check(
    "search",
    search_index,
    in_relays=waiting_records,
    title=gettext_lazy("Search"),
    alerts=["index_behind"],
)


def _of_blocked(lag: Lag) -> Finding | None:
    if lag.troubles:
        return problem(in_turn(lag.troubles), _("do what it says; nothing is lost"))
    if lag.live_seconds > PATIENCE_SECONDS:
        remedy = _("see that a worker reads the queue default, and what runs of index_marked say")
        return problem(lag.text, remedy)
    return None


def _unreadable() -> Finding | None:
    """A finding about active indexes whose tables cannot be read."""
    failed: dict[str, str] = {}
    here = SearchIndex.objects.active().filter(store_kind=conf().vector_store, rows__gt=0)
    for index in here.exclude(vectors=[]).order_by("collection"):
        try:
            vector_store().size(index.table)
        except NeuralError as error:
            failed[index.collection] = str(error)
    if not failed:
        return None
    remedy = _("let it be reached; what is gone or damaged: manage.py rebuild_index %(names)s")
    return problem(in_turn(failed.values()), remedy % {"names": " ".join(failed)})


def _of_indexes() -> Finding | None:
    notices = [notice for own in index_notices().values() for notice in own]
    have = set(SearchIndex.objects.written().values_list("collection", flat=True))
    missing = [each.name for each in collections() if each.name not in have and has_records(each)]
    if notices or missing:
        never = _("never indexed: %(names)s") % {"names": ", ".join(missing)}
        found = in_turn([*dict.fromkeys(notices), *([never] if missing else [])])
        return warning(found, _("type: manage.py rebuild_index"))
    return None


def _of_refused(lag: Lag) -> Finding:
    if not lag.refused:
        return ok(lag.text)
    texts = {"told": lag.text, "refused": counted(lag.refused)}
    return warning(
        _("%(told)s; records that cannot be indexed: %(refused)s") % texts,
        _("see why in the admin, under Records to index, and try them again there"),
    )
