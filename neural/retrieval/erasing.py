"""What erases a person from records that were ingested, and so from the search index.

Rows of other collections are indexed anew because their own tables say so.
"""

from collections import defaultdict
from collections.abc import Sequence

from neural.events.erasing import Erasable, register_erasable
from neural.personal.person import Person
from neural.retrieval.models import IngestedRecord, OutboxEntry


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
