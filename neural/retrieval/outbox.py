"""What search asks of events: an outbox of changed records, and persons erased from its tables.

A changed record is noted in the transaction that changes it. Later, outside of that transaction, a
run of its own reads the records, embeds them and writes them to the index
(``neural.retrieval.index.indexing``). Who is erased from ingested records leaves the search index,
too; rows of other collections are indexed anew because their own tables say so."""

from collections import defaultdict
from collections.abc import Sequence

from neural.events.insertion import InsertHook
from neural.events.new_event import NewEvent
from neural.personal.erasing.tables import DERIVED, Erasable, register_erasable
from neural.personal.person import Person
from neural.queues import LOW_PRIORITY_QUEUE
from neural.retrieval.conf import conf
from neural.retrieval.models import (
    IngestedRecord,
    OutboxEntry,
    SearchPiece,
    SearchRow,
    SearchTerm,
    StoredVector,
)


def append_changes(collection: str, keys: Sequence[str], history: bool) -> None:
    """Append changed records to the outbox, unless the setting ``search`` is off."""
    if conf().search:
        OutboxEntry.objects.append(collection, keys, history=history)


def _history(new_events: Sequence[NewEvent]) -> Sequence[bool] | None:
    """Whether these events are history, which may be indexed later than live events; None if search
    is off. Decided for the whole call, because a call that loads history loads nothing else."""
    if not conf().search:
        return None
    return [all(new_event.queue == LOW_PRIORITY_QUEUE for new_event in new_events)]


EVENTS_OUTBOX = InsertHook(
    statement="""INSERT INTO neural_indexmark (collection, key, history)
            SELECT 'events', store_id || '/' || id, %s FROM new_events""",
    parameters=_history,
)


def _records_changed(records: Sequence[IngestedRecord], person: Person) -> None:
    keys: dict[str, list[str]] = defaultdict(list)
    for record in records:
        keys[record.collection].append(record.key)
    for collection, changed in keys.items():
        OutboxEntry.objects.append(collection, changed, ingested=True)


TABLES = (
    Erasable(
        name="ingested records",
        model=IngestedRecord,
        fields=("data",),
        store="store_code",
        after=_records_changed,
    ),
    Erasable(name="records to index", model=OutboxEntry, fields=("error",), store=""),
)


def connect() -> None:
    """Register the tables."""
    for each in TABLES:
        register_erasable(each)
    DERIVED.update((SearchRow, SearchTerm, SearchPiece, StoredVector))
