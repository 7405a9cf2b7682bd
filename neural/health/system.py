"""Probe of the settings: what Django's system checks say."""

from django.core import checks
from django.utils.translation import gettext as _

from neural.health.findings import Finding, in_turn, ok, problem, warning
from neural.health.situation import Situation

SHOWN = 3


def settings(situation: Situation) -> Finding:
    """The system checks have nothing to say. What they say is in their own language."""
    found = [each for each in checks.run_checks() if not each.is_silenced()]
    if not found:
        return ok("settings", _("the system checks find nothing"))
    found.sort(key=lambda each: -each.level)
    told = in_turn(f"{each.id or 'check'}: {_line(each.msg)}" for each in found[:SHOWN])
    hints = in_turn(_line(each.hint) for each in found[:SHOWN] if each.hint)
    judge = problem if found[0].is_serious(checks.ERROR) else warning
    remedy = _("%(hints)s (all of it: manage.py check)") % {"hints": hints or _("correct it")}
    return judge("settings", told, remedy)


def _line(text: object) -> str:
    return " ".join(str(text).split())
