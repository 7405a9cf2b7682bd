"""How the console displays values."""

import datetime as dt

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.admin.display import NOTHING, duration, short_instant
from neural.health.findings import COUNTED


def ago(moment: dt.datetime | None, now: dt.datetime) -> str:
    """How long ago it was."""
    if moment is None:
        return NOTHING
    return _("%(duration)s ago") % {"duration": rough(now - moment)}


def rough(length: dt.timedelta | float | None) -> str:
    """A length of time as people say it: in its largest unit, and in the next one only below ten of
    the largest."""
    if length is None:
        return NOTHING
    seconds = length if isinstance(length, int | float) else length.total_seconds()
    if seconds < 2:
        return duration(dt.timedelta(seconds=seconds))
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return _("%(number)d s") % {"number": rest}
    if minutes < 10 and rest:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    if minutes < 60:
        return _("%(number)d min") % {"number": minutes}
    hours, rest = divmod(minutes, 60)
    if hours < 10 and rest:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": rest}
    if hours < 48:
        return _("%(number)d h") % {"number": hours}
    return _("%(number)d days") % {"number": hours // 24}


def per_cent(share: float | None) -> str:
    """A share in per cent, with one decimal below ten."""
    if share is None:
        return NOTHING
    percent = share * 100
    return f"{percent:.1f}" if percent < 10 else f"{percent:.0f}"


def counted(number: int) -> str:
    """A number as text: '1,000+' where counting stopped."""
    return f"{number:,}" + ("+" if number >= COUNTED else "")


def rate(number: float) -> str:
    """A number a minute: with one decimal below ten, unless it is whole."""
    if number and number < 10 and round(number, 1) != round(number):
        return f"{number:.1f}"
    return f"{number:,.0f}"


def clock(moment: dt.datetime, *, with_day: bool) -> str:
    """A moment on an axis, in the reader's zone: 14:05, or with the day."""
    local = timezone.localtime(moment)
    time = local.strftime("%H:%M")
    return f"{date_format(local, 'm-d')} {time}" if with_day else time


def instant(moment: dt.datetime | None) -> SafeString | str:
    """A moment in a list."""
    return short_instant(moment)


def moment_of(text: str | None) -> dt.datetime | None:
    """A moment that was kept as JSON."""
    return dt.datetime.fromisoformat(text) if text else None
