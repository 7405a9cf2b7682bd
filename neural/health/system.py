"""Probe of the settings: what Django's system checks say."""

from django.core import checks

from neural.health.findings import Finding, ok, problem, warning
from neural.health.situation import Situation

SHOWN = 3


def settings(situation: Situation) -> Finding:
    """The system checks have nothing to say."""
    found = [each for each in checks.run_checks() if not each.is_silenced()]
    if not found:
        return ok("settings", "the system checks find nothing")
    found.sort(key=lambda each: -each.level)
    told = "; ".join(f"{each.id or 'check'}: {_line(each.msg)}" for each in found[:SHOWN])
    hints = "; ".join(_line(each.hint) for each in found[:SHOWN] if each.hint)
    judge = problem if found[0].is_serious(checks.ERROR) else warning
    return judge("settings", told, f"{hints or 'correct it'} (all of it: manage.py check)")


def _line(text: object) -> str:
    return " ".join(str(text).split())
