"""Reads the texts of a table to its end, some rows at a time, in bounded memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Left

FEWEST, MOST = 50, 800
"""Rows that are read at a time."""
HEAVY = 4_000_000
"""Fewer rows are read at a time, if they have more characters than this."""
LONGEST = 50_000
"""A row with a longer text is read by itself: an event may have a million characters, the answer
of a store in a training round sixteen million, and the rows before it none."""


class Chunk:
    """Some rows. Iterating gives each row's key, followed by its texts."""

    def __init__(self, rows: QuerySet[Any], fields: Sequence[str], found: Sequence[Any]) -> None:
        self._rows, self._fields, self._found = rows, fields, found

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for pk, *texts in self._found:
            is_cut = any(len(text or "") > LONGEST for text in texts)
            yield from self._whole(pk) if is_cut else [(pk, *texts)]

    def _whole(self, pk: Any) -> Iterable[Sequence[Any]]:
        """The row with its texts; nothing if it is gone meanwhile."""
        texts = map(_text, self._fields)
        return self._rows.filter(pk=pk).values_list("pk", *texts)[:1]


def chunks_of(rows: QuerySet[Any], fields: Sequence[str]) -> Iterator[Chunk]:
    """All rows in the order of their keys. Values of JSON come as the database writes them."""
    beginnings = [Left(_text(name), LONGEST + 1) for name in fields]
    after: Any = None
    size = FEWEST
    while True:
        later = rows if after is None else rows.filter(pk__gt=after)
        found = list(later.order_by("pk").values_list("pk", *beginnings)[:size])
        if not found:
            return
        after = found[-1][0]
        yield Chunk(rows, fields, found)
        size = _next_size(size, found)


def _text(name: str) -> Cast:
    return Cast(name, TextField())


def _next_size(size: int, found: Sequence[Any]) -> int:
    weight = sum(len(text or "") for _pk, *texts in found for text in texts)
    return max(size // 4, FEWEST) if weight > HEAVY else min(size * 2, MOST)
