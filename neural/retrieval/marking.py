"""Marking changed records for the search index, in the transaction that changes them.

What is marked is read, embedded and written to the index by a run of its own, later and outside
of that transaction (``neural.retrieval.index.indexing``).
"""

from collections.abc import Sequence

from neural.events.draft import EventDraft
from neural.events.riders import Rider
from neural.queues import LOW_PRIORITY_QUEUE
from neural.retrieval.conf import search_is_on
from neural.retrieval.models import IndexMark


def mark(collection: str, keys: Sequence[str], history: bool) -> None:
    """Mark changed records, unless the setting ``search`` is off."""
    if search_is_on():
        IndexMark.objects.mark(collection, keys, history=history)


def _history(drafts: Sequence[EventDraft]) -> Sequence[bool] | None:
    """Whether what these events say may be searched later than what happens now. Told of a call
    as a whole: those who load history load nothing else with it."""
    if not search_is_on():
        return None
    return [all(draft.queue == LOW_PRIORITY_QUEUE for draft in drafts)]


MARKS_OF_EVENTS = Rider(
    statement="""INSERT INTO neural_indexmark (collection, key, history)
            SELECT 'events', store_id || '/' || id, %s FROM new_events""",
    parameters=_history,
)
