"""The outbox of the search index: changed records are noted in the transaction that changes them.

Later, outside of that transaction, a run of its own reads the records, embeds them and writes them
to the index (``neural.retrieval.index.indexing``).
"""

from collections.abc import Sequence

from neural.events.insert_hooks import InsertHook
from neural.events.new_event import NewEvent
from neural.queues import LOW_PRIORITY_QUEUE
from neural.retrieval.conf import search_is_on
from neural.retrieval.models import OutboxEntry


def append_changes(collection: str, keys: Sequence[str], history: bool) -> None:
    """Append changed records to the outbox, unless the setting ``search`` is off."""
    if search_is_on():
        OutboxEntry.objects.append(collection, keys, history=history)


def _history(new_events: Sequence[NewEvent]) -> Sequence[bool] | None:
    """Whether these events are history, which may be indexed later than live events; None if search
    is off. Decided for the whole call, because a call that loads history loads nothing else."""
    if not search_is_on():
        return None
    return [all(new_event.queue == LOW_PRIORITY_QUEUE for new_event in new_events)]


EVENTS_OUTBOX = InsertHook(
    statement="""INSERT INTO neural_indexmark (collection, key, history)
            SELECT 'events', store_id || '/' || id, %s FROM new_events""",
    parameters=_history,
)
