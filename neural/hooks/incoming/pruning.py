"""Deletes what was pushed after some days: it names guests, their phones and their addresses."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from neural.events import changes
from neural.hooks.conf import conf
from neural.hooks.incoming import reconciling
from neural.hooks.incoming.recording import ID_PREFIX, PUSHED
from neural.hooks.models import PushState, UnroutedPush
from neural.ledger.prune import Prunable, register_prunable
from neural.models import NeuralEvent


def _bodies(events: QuerySet[Any]) -> QuerySet[Any]:
    """The pushes that came by a webhook and that no run needs any more."""
    pushed = events.filter(type=PUSHED, event_id__startswith=ID_PREFIX, pruned_at=None)
    return changes.finished(pushed)


def _no_longer_waiting(pushes: QuerySet[Any]) -> QuerySet[Any]:
    return pushes.exclude(state=PushState.WAITING)


BODIES = Prunable(
    name="bodies of pushes",
    which="what platforms pushed longer ago than the setting hook_pushes_kept_days says, unless a "
    "run of it is waiting or dead (the events that it told stay)",
    model=NeuralEvent,
    made_at="recorded_at",
    kept_days=lambda: conf().hook_pushes_kept_days,
    rows=_bodies,
    erase=changes.empty,
    label=_("bodies of pushes"),
)
UNROUTED = Prunable(
    name="unrouted pushes",
    which="as old pushes that were kept raw and then routed or dismissed",
    model=UnroutedPush,
    made_at="received_at",
    kept_days=lambda: conf().hook_pushes_kept_days,
    rows=_no_longer_waiting,
    label=_("unrouted pushes"),
)


def connect() -> None:
    """Let ``manage.py prune`` delete them."""
    register_prunable(BODIES, UNROUTED, reconciling.OLD)
