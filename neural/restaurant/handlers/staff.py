"""Shifts: stated whole."""

from neural.errors import PermanentError
from neural.events.changes import mark_for_search
from neural.events.registry import handles
from neural.models import NeuralEvent
from neural.restaurant.models import Shift
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import ShiftPayload


class ShiftEndsBeforeItStarts(PermanentError):
    """In the store's own time a shift is over before it began."""


@handles("staff.scheduled")
def schedule_shift(event: NeuralEvent, data: ShiftPayload) -> None:
    """Take a shift as it stands, unless a newer statement of it is known."""
    starts_at = event.store.localize(data.starts_at)
    ends_at = event.store.localize(data.ends_at)
    if ends_at <= starts_at:
        # The schema saw this unless one of the two times had a zone and the other had none,
        # or the clocks changed between them.
        raise ShiftEndsBeforeItStarts(f"{data.shift_id} starts {starts_at} and ends {ends_at}")
    is_news = Shift.objects.put(
        key={"code": data.shift_id, "store": event.store},
        version=version_of(event),
        values={
            "staff_code": data.staff_id,
            "staff_name": data.name,
            "role": data.role,
            "starts_at": starts_at,
            "ends_at": ends_at,
        },
    )
    if is_news:
        mark_for_search(collection="staff", store=event.store_id, ids=[data.shift_id])
