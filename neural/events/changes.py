"""What becomes of recorded rows later: listeners are told of changes, and old events are pruned.

Listeners are called in the transaction that changes the records. The search index, if its app is
installed, is one. Without listeners nothing happens.

Pruning empties old payloads (the events stay), which is such a change, and deletes old refused
events.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.kit.conf import conf
from neural.kit.registry import Registry
from neural.ledger.prune import Progress, Prunable, Step, Walk, silent, stretches, total
from neural.ledger.work import Recomputation, works_on_history
from neural.models import NeuralEvent, RefusedEvent, RunState, TaskRun
from neural.models.store import STORE_CODE_PATTERN

Listener = Callable[[str, Sequence[str], bool], None]
"""Takes the name of a collection, the sorted keys of its changed records, and whether the change is
history (backfill). It is called in the transaction of the change."""

LISTENERS: Registry[Listener] = Registry("listener to changes")
# A run in one of these states may still need its event's payload.
_NEEDING_PAYLOAD = (RunState.PENDING, RunState.RUNNING, RunState.DEAD)
PAYLOADS = "payloads"


class Changed(NamedTuple):
    """A changed record: its collection, its key there, and whether the change is history."""

    history: bool
    collection: str
    key: str


def register_listener(name: str, listener: Listener) -> None:
    """Call this function for all changed records, too."""
    LISTENERS.add(name, listener)


def reindex(*, collection: str, store: str, ids: Iterable[str]) -> None:
    """Update these records of a store in the search index, soon after the caller's transaction has
    committed. Records that do not exist by then are removed from the index.

    ``collection`` is the collection's registered name, ``store`` the store's code, ``ids`` the
    records' ids within the store. Many calls inside a handler cost one statement. Nothing happens
    if search is switched off or not installed.
    """
    keys = (f"{store}/{name}" for name in ids)
    record_changed(collection, keys, history=works_on_history())


EVERY_COLLECTION = ""
"""The name that listeners get for all collections: the key is then ``CODE/``, of a store."""


def reindex_store(code: str) -> None:
    """Update all records of a store in the search index, behind all other changes, because what the
    store is called has changed."""
    record_changed(EVERY_COLLECTION, [f"{code}/"], history=True)


def record_changed(collection: str, keys: Iterable[str], *, history: bool) -> None:
    """Notify listeners of changed records, by their keys: store code, slash, id. ``history`` marks
    changes that may wait behind all others."""
    if LISTENERS:
        CHANGES.ask({Changed(history, collection, key) for key in keys})


def _notify(changed: list[Changed]) -> None:
    for (history, collection), group in groupby(changed, key=lambda each: each[:2]):
        keys = [each.key for each in group]
        for listener in LISTENERS:
            listener(collection, keys, history)


CHANGES = Recomputation(rank=9, compute=_notify)
"""Computed after all others, when the transaction already holds the changed records' locks."""


REFUSED = "refused"
"""The search collection of refused events."""
_STORE_CODE = re.compile(STORE_CODE_PATTERN)


def search_key(store_code: str, pk: int) -> str:
    """The key of a refused event in its search collection; a code that no store can have is left
    out."""
    return f"{store_code if _STORE_CODE.match(store_code) else ''}/{pk}"


RUNS = "runs"
"""The search collection of runs."""


def runs_changed(rows: Iterable[tuple[str | None, int]]) -> None:
    """Tell listeners of runs by their stores and keys."""
    record_changed(RUNS, {f"{store or ''}/{pk}" for store, pk in rows}, history=False)


def refusals_changed(rows: Iterable[tuple[str, int]]) -> None:
    """Tell listeners, such as the search index, of refused events by their stores and keys."""
    record_changed(REFUSED, {search_key(*row) for row in rows}, history=False)


# Pruning


def _delete_refusals(rows: QuerySet[RefusedEvent]) -> int:
    refusals_changed(rows.values_list("store_code", "pk"))
    return rows.delete()[0]


REFUSED_EVENTS = Prunable(
    name="refused events",
    which="refused events that have not come again for as long as the setting refusals_kept_days "
    "says",
    model=RefusedEvent,
    made_at="refused_at",
    aged_from="last_refused_at",
    kept_days=lambda: conf().refusals_kept_days,
    erase=_delete_refusals,
    label=_("refused events"),
)


def prune_payloads(
    *, now: dt.datetime, keep_days: float, dry_run: bool = False, on_progress: Progress = silent
) -> int:
    """Empty the payloads of finished events that were recorded more than ``keep_days`` ago.

    An event is finished when none of its runs is pending, running or dead. An unhandled event keeps
    its payload for a replay. Identity and content hash stay, so the same event sent again is still
    a duplicate, and a changed one still a conflict. Returns how many payloads were emptied (with
    ``dry_run``: would be). ``on_progress`` is called with each step when it has committed.
    """
    walk = walk_payloads(now=now, keep_days=keep_days, dry_run=dry_run)
    return total(walk, on_progress)[PAYLOADS]


def walk_payloads(*, now: dt.datetime, keep_days: float, dry_run: bool, after: int = 0) -> Walk:
    """The steps of :func:`prune_payloads`, from the primary key ``after`` on."""
    cutoff = now - dt.timedelta(days=keep_days)
    full = NeuralEvent.objects.filter(pruned_at=None)
    for low, high in stretches(full, "recorded_at", before=cutoff, after=after):
        done = finished(full.filter(pk__gt=low, pk__lte=high, recorded_at__lt=cutoff))
        pruned = done.count() if dry_run else empty(done)
        yield Step(high, high - low, Counter({PAYLOADS: pruned}))


def empty(events: QuerySet[NeuralEvent]) -> int:
    """Empty these events' payloads, and notify listeners that have copies (the search index).
    Returns how many."""
    with transaction.atomic():
        # Their runs first: one that is being retried is pending after that, and needs its payload.
        chosen = list(events.values_list("pk", flat=True))
        runs = TaskRun.objects.filter(event__in=chosen).order_by("pk")
        list(runs.select_for_update(of=("self",), no_key=True).values_list("pk"))
        still = events.filter(pk__in=chosen).select_for_update(of=("self",))
        found = still.values_list("store", "pk")
        keys = {pk: f"{store}/{pk}" for store, pk in found}
        record_changed("events", keys.values(), history=True)
        emptied = NeuralEvent.objects.filter(pk__in=keys)
        return emptied.update(payload=None, pruned_at=Now())


def finished(events: QuerySet[NeuralEvent]) -> QuerySet[NeuralEvent]:
    """Those of these events whose payload no run needs any more."""
    needing = TaskRun.objects.filter(event=OuterRef("pk"), state__in=_NEEDING_PAYLOAD)
    return events.filter(~Exists(needing), unhandled=False)
