"""Gives pushes that were kept raw to their stores, once a person has entered what was missing."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save

from neural.events.answers import Submission
from neural.events.readable import said_by, storable
from neural.hooks.incoming.raw import request_of
from neural.hooks.incoming.recording import record, store_of
from neural.hooks.models import PushState, StoreCode, UnroutedPush, WebhookSource
from neural.hooks.platforms.base import PLATFORMS, Push
from neural.ledger.record import enqueue
from neural.ledger.work import Snooze, checkpoint
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE

ROUTE_TASK = "neural.tasks.route_pushes"
SLICE = 100


def no_store(push: Push) -> str:
    """Why a push belongs to no store."""
    if push.store_code:
        return f"no store has the code {push.store_code!r}: enter it among the source's store codes"
    return "it names no store: choose a store for the source"


def refused(answer: Submission) -> str:
    """Why a push was not recorded."""
    return "; ".join(map(str, answer.problems))


def route(kept: UnroutedPush) -> bool:
    """Read a waiting push again and record it as an event of its store.

    Returns whether it was recorded (also before, as another copy of it). If not, its row says why.
    """
    with transaction.atomic():
        mine = UnroutedPush.objects.select_for_update(of=("self",)).filter(
            pk=kept.pk, state=PushState.WAITING
        )
        row = mine.select_related("source").first()
        if row is None:
            return False
        answer, reason, code = _recorded(row)
        if answer is None:
            mine.update(reason=storable(reason, 500), store_code=code)
            return False
        mine.update(state=PushState.ROUTED, event=answer.event, reason="", store_code=code)
    return True


def _recorded(row: UnroutedPush) -> tuple[Submission | None, str, str]:
    """The answer to a recorded push, or why it was not recorded; and its store code."""
    platform = PLATFORMS.find(row.source.platform)
    if platform is None:
        reason = f"no installed app registers the platform {row.source.platform!r}"
        return None, reason, row.store_code
    try:
        push = platform.read(request_of(row))
    except Exception as error:  # noqa: BLE001 (a class of an app's own may raise anything)
        return None, f"it could not be read: {said_by(error)}", row.store_code
    if push is None:
        return None, "it pushes nothing: dismiss it", row.store_code
    code = storable(str(push.store_code), 100)
    store = store_of(row.source, code)
    if store is None:
        return None, no_store(push), code
    answer = record(row.source, push, store=store)
    return (None, refused(answer), code) if answer.is_refused else (answer, "", code)


# When something was mended


def request_routing(source: WebhookSource) -> None:
    """Route the waiting pushes of a source in a run of the ledger, after the caller's commit.

    Also if none waits now: one may come before the commit, and not see what was mended.
    """
    enqueue(
        task=ROUTE_TASK,
        args=[],
        kwargs={"source": source.pk},
        queue=DEFAULT_QUEUE,
        priority=DEFAULT_PRIORITY,
        unique_key=f"{ROUTE_TASK} {source.pk}",
        requested_by=f"webhook {source.name}",
    )


def route_waiting(*, source: int) -> dict[str, int]:
    """Route the waiting pushes of a source, slice by slice; returns counts.

    Idempotent: a push is recorded once, however often this is called.
    """
    done: dict[str, int] = checkpoint() or {"after": 0, "routed": 0, "waiting": 0}
    rows = list(_waiting(source).filter(pk__gt=done["after"]).order_by("pk")[:SLICE])
    for row in rows:
        done["routed" if route(row) else "waiting"] += 1
        done["after"] = row.pk
    if len(rows) == SLICE:
        raise Snooze(0, checkpoint=done)
    return {"routed": done["routed"], "waiting": done["waiting"]}


def _waiting(source: int) -> Any:
    return UnroutedPush.objects.filter(source=source, state=PushState.WAITING)


def connect() -> None:
    """Route what waits whenever a store code or a source is saved, by the admin or by code."""
    post_save.connect(_code_saved, sender=StoreCode, dispatch_uid="neural_hooks_code")
    post_save.connect(_source_saved, sender=WebhookSource, dispatch_uid="neural_hooks_source")


def _code_saved(instance: StoreCode, raw: bool = False, **_: Any) -> None:
    if not raw:
        request_routing(instance.source)


def _source_saved(
    instance: WebhookSource, raw: bool = False, created: bool = False, **_: Any
) -> None:
    if not (raw or created):
        request_routing(instance)
