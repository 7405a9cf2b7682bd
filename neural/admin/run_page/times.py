"""Times as a page tells them: how far from now, with the zone of the clock."""

import datetime as dt

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.admin.display import duration, instant


def from_now(moment: dt.datetime, now: dt.datetime) -> str:
    """'3 min 10 s ago', or 'in 40 s'."""
    if moment > now:
        return _("in %(duration)s") % {"duration": duration(moment - now)}
    return _("%(duration)s ago") % {"duration": duration(now - moment)}


def told(moment: dt.datetime, now: dt.datetime) -> SafeString:
    """A time with its zone, and how far it is from now."""
    zone = timezone.get_current_timezone_name()
    return format_html("{} {} · {}", instant(moment), zone, from_now(moment, now))
