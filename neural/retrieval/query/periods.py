"""Days and times as people give them, as moments."""

import datetime as dt

from django.utils import timezone


def moment(given: dt.date | None, *, days: int = 0) -> dt.datetime | None:
    """A time as given; of a date the beginning of its day, or of the one so many days later, where
    people are. None for no limit, as there is none after the last day of the calendar."""
    if given is None:
        return None
    if isinstance(given, dt.datetime):
        return given if timezone.is_aware(given) else timezone.make_aware(given)
    try:
        day = dt.datetime.combine(given, dt.time.min) + dt.timedelta(days=days)
    except OverflowError:
        return None
    return timezone.make_aware(day)
