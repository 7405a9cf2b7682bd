"""What of events is pruned: payloads, while their keys stay, and events that were refused."""

import datetime as dt

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from neural.conf import conf
from neural.events.changes import record_changed
from neural.ledger.prune import Progress, Prunable, silent, stretches
from neural.models import NeuralEvent, RefusedEvent, RunState, TaskRun

# A run in one of these may still need its event's payload.
_NEEDING_PAYLOAD = (RunState.PENDING, RunState.RUNNING, RunState.DEAD)

REFUSED_EVENTS = Prunable(
    name="refused events",
    which="refused events that have not come again for as long as the setting refusals_kept_days "
    "says",
    model=RefusedEvent,
    made_at="refused_at",
    aged_from="last_refused_at",
    kept_days=lambda: conf().refusals_kept_days,
)


def prune_payloads(
    *, now: dt.datetime, keep_days: float, dry_run: bool = False, on_progress: Progress = silent
) -> int:
    """Empty the payloads of events that were recorded longer ago and are done with.

    An event is done with when none of its runs waits, runs or is dead. One that nobody
    handled yet keeps its payload for a replay. Keys and content hash stay, so that the same
    event sent again is still a duplicate, and a changed one still a conflict.
    """
    cutoff = now - dt.timedelta(days=keep_days)
    pruned = 0
    full = NeuralEvent.objects.filter(pruned_at=None)
    for low, high in stretches(full, "recorded_at", before=cutoff):
        done = _done_with(full.filter(pk__gt=low, pk__lte=high, recorded_at__lt=cutoff))
        pruned += done.count() if dry_run else _empty(done)
        on_progress(high - low)
    return pruned


def _empty(events: QuerySet[NeuralEvent]) -> int:
    """Empty these events' payloads, and tell of it whoever has a copy."""
    with transaction.atomic():
        found = events.select_for_update(of=("self",)).values_list("store", "pk")
        keys = {pk: f"{store}/{pk}" for store, pk in found}
        record_changed("events", keys.values(), history=True)
        emptied = NeuralEvent.objects.filter(pk__in=keys)
        return emptied.update(payload=None, pruned_at=Now())


def _done_with(events: QuerySet[NeuralEvent]) -> QuerySet[NeuralEvent]:
    needing = TaskRun.objects.filter(event=OuterRef("pk"), state__in=_NEEDING_PAYLOAD)
    return events.filter(~Exists(needing), unhandled=False)
