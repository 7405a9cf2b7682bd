"""The outbox of the search index: changed records, written in the transaction that changes them.

What is in it is read, embedded and written to the index by a run of its own, later and outside
of that transaction (``neural.retrieval.index.indexing``).
"""

from collections.abc import Sequence

from neural.events.insert_hooks import InsertHook
from neural.events.new_event import NewEvent
from neural.queues import LOW_PRIORITY_QUEUE
from neural.retrieval.conf import search_is_on
from neural.retrieval.models import OutboxEntry


def append_changes(collection: str, keys: Sequence[str], history: bool) -> None:
    """Append changed records, unless the setting ``search`` is off."""
    if search_is_on():
        OutboxEntry.objects.append(collection, keys, history=history)


def _history(new_events: Sequence[NewEvent]) -> Sequence[bool] | None:
    """Whether what these events say may be searched later than what happens now. Told of a call
    as a whole: those who load history load nothing else with it."""
    if not search_is_on():
        return None
    return [all(new_event.queue == LOW_PRIORITY_QUEUE for new_event in new_events)]


EVENTS_OUTBOX = InsertHook(
    statement="""INSERT INTO neural_indexmark (collection, key, history)
            SELECT 'events', store_id || '/' || id, %s FROM new_events""",
    parameters=_history,
)
