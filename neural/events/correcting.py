"""Correcting a refused event: a person submits what it should have been."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from neural.errors import PermanentError
from neural.events.answers import Submission
from neural.events.submit import submit
from neural.models import RefusedEvent


class RefusalClosed(PermanentError):
    """Somebody has corrected or dismissed this refused event already."""


def correct(refused: RefusedEvent, request: Mapping[str, Any], *, by: str) -> Submission:
    """Submit ``request`` (arguments of :func:`neural.submit`) in place of a refused event.

    The event and the row that says so commit together. A request that is refused again leaves
    everything as it is, and no other row: the answer tells the person who asked.
    """
    with transaction.atomic():
        mine = RefusedEvent.objects.open().select_for_update().filter(pk=refused.pk)
        if not mine.values_list("pk", flat=True)[:1]:
            raise RefusalClosed(f"{refused} is not open any more")
        backfill = bool(refused.details.get("backfill"))
        answer = submit(**request, backfill=backfill, requested_by=by, door="")
        if answer.event is not None and not answer.is_refused:
            refused.mark_corrected(answer.event, by=by)
    return answer
