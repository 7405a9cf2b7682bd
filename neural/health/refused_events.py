"""Probe of refused events: does anything wait for a person to correct it?"""

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.health.findings import COUNTED, Finding, ok, span, warning
from neural.health.situation import Situation
from neural.models import RefusedEvent

RECENTLY = dt.timedelta(days=1)


def refused_events(situation: Situation) -> Finding:
    """No event was refused lately with which nobody has done anything yet."""
    lately = RefusedEvent.objects.open().filter(last_refused_at__gt=situation.now - RECENTLY)
    columns = ("type", "event_id", "store_code", "source", "problems", "last_refused_at")
    found = list(lately.order_by("-last_refused_at").only(*columns)[:COUNTED])
    within = {"span": span(RECENTLY.total_seconds())}
    if not found:
        return ok("refused events", _("none in the last %(span)s") % within)
    about = within | {"events": _told(len(found)), "last": _named(found[0])}
    return warning(
        "refused events",
        _("%(events)s in the last %(span)s, such as %(last)s") % about,
        _(
            "correct and submit them, or dismiss them, in the admin under Refused events; where "
            "one source is refused again and again, mend what it sends"
        ),
    )


def _told(number: int) -> str:
    if number >= COUNTED:
        return _("%(count)s events or more were refused") % {"count": f"{number:,}"}
    text = ngettext("%(count)s event was refused", "%(count)s events were refused", number)
    return text % {"count": f"{number:,}"}


def _named(refused: RefusedEvent) -> str:
    about = {"event": str(refused), "store": refused.store_code or "?"}
    why = next(("{field}: {reason}".format(**each) for each in refused.problems), "?")
    named = _("%(event)s of store %(store)s") % about
    return f"{named} ({why})"
