"""Schedules that are switched off: which, and by whom, since when and why by the audit log."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from neural.models import AuditedRow, AuditOutcome
from neural.schedules import BEAT

SWITCHED_ON = {
    "schedule.enable_tasks": True,
    "schedule.disable_tasks": False,
    "schedule.toggle_tasks": False,
}
"""The acts that switch schedules, and whether one that is off now was on after them."""
FORMS = ("schedule.add", "schedule.change")
"""What forms switch stands in the details of their entries."""
MOST_ACTS = 2000
"""How many of the newest acts on some schedules are looked through."""


class SwitchedOff(NamedTuple):
    """The act that switched a schedule off; empty if the log knows of none."""

    by: str = ""
    since: dt.datetime | None = None
    reason: str = ""

    @property
    def summary(self) -> str:
        """'switched off by lee at 2026-03-02 14:05: the oven is being repaired'."""
        if self.since is None:
            return _("switched off, nobody knows by whom")
        moment = date_format(timezone.localtime(self.since), "Y-m-d H:i")
        facts = {"who": self.by, "moment": moment, "reason": self.reason or "-"}
        return _("switched off by %(who)s at %(moment)s: %(reason)s") % facts


def off_schedules(now: dt.datetime) -> QuerySet[Any]:
    """The schedules that would come again if they were not switched off. One that runs once, or has
    expired, ends by itself."""
    rows: QuerySet[Any] = apps.get_model(BEAT, "PeriodicTask")._default_manager.all()
    ended = Q(one_off=True) | Q(expires__lte=now)
    return rows.filter(enabled=False).exclude(ended).order_by("name")


def switched_off(keys: Collection[int]) -> Mapping[int, SwitchedOff]:
    """By whom, since when and why these schedules are off. One query, or none without keys."""
    newest: dict[str, SwitchedOff] = {}
    for key, action, details, *facts in _acts_on(keys) if keys else ():
        is_on = SWITCHED_ON.get(action, details.get("switched", {}).get("enabled"))
        if is_on is not None:
            newest.setdefault(key, SwitchedOff() if is_on else SwitchedOff(*facts))
    return {key: newest.get(str(key), SwitchedOff()) for key in keys}


def _acts_on(keys: Collection[int]) -> QuerySet[Any, Any]:
    acts = AuditedRow.objects.filter(
        model=f"{BEAT}.periodictask",
        object_id__in=[str(key) for key in keys],
        entry__action__in=[*SWITCHED_ON, *FORMS],
        entry__outcome=AuditOutcome.DONE,
    )
    facts = ("action", "details", "actor", "at", "reason")
    columns = (f"entry__{each}" for each in facts)
    return acts.order_by("-entry_id").values_list("object_id", *columns)[:MOST_ACTS]
