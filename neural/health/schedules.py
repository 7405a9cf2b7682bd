"""The probe of schedules: what is switched off does nothing, and nobody notices by itself."""

from collections.abc import Sequence

from django.apps import apps
from django.utils.translation import gettext as _

from neural.celeryapp.schedule_switches import BEAT, SwitchedOff, off_schedules, switched_off
from neural.health.findings import Finding, in_turn, ok, warning
from neural.health.situation import Situation

MOST_NAMED = 20
"""The page of schedules has all of them."""


def schedules_off(situation: Situation) -> Finding:
    """No schedule is switched off: somebody may have forgotten it."""
    found = situation.once("schedules off", lambda: _off(situation))
    if not found:
        return ok("schedules off", _("no schedule is switched off"))
    return warning(
        "schedules off",
        in_turn(f"{name} ({off.summary})" for name, off in found),
        _("switch it on in the admin under Schedules, or delete it if nobody needs it"),
    )


def _off(situation: Situation) -> Sequence[tuple[str, SwitchedOff]]:
    if not apps.is_installed(BEAT):
        return ()
    names = dict(off_schedules(situation.now).values_list("pk", "name")[:MOST_NAMED])
    return [(names[key], off) for key, off in switched_off(names).items()]
