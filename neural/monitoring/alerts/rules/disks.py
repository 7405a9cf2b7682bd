"""The rule about disks: those of this machine on which files of ours grow."""

import os
import socket
from pathlib import Path

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health import storage
from neural.monitoring.alerts.judging import (
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    severity_of,
)
from neural.monitoring.alerts.rules import register_rule


def free_of(place: Path) -> tuple[int, int]:
    """Bytes left on a directory's disk, and all bytes that others than root may use there."""
    while not place.exists():
        place = place.parent
    about = os.statvfs(place)
    usable = about.f_blocks - about.f_bfree + about.f_bavail
    return about.f_bavail * about.f_frsize, usable * about.f_frsize


def _disk(view: View, thresholds: Thresholds) -> Judgement:
    """Relays of several machines look at their own disks, so each knows about its own alone."""
    host = socket.gethostname()
    warning, critical = thresholds["disk_free_percent"], thresholds["disk_free_critical_percent"]
    found = []
    for place in dict.fromkeys(storage.places()):
        free, size = free_of(place)
        percent = 100 * free / size if size else 100.0
        if severity := severity_of(warning=percent < warning, critical=percent < critical):
            facts = {"host": host, "place": str(place), "free": free, "percent": round(percent, 1)}
            found.append(Condition(subject=f"{host}:{place}", severity=severity, facts=facts))
    others = {worker.host for worker in view.situation.workers} - {host}
    # What a machine has said that has no process any more ends, too.
    return Judgement(found, knows=lambda subject: subject.partition(":")[0] not in others)


def _disk_told(subject: str, facts: Facts) -> str:
    return _("%(place)s on %(host)s has %(percent).1f %% free (%(free)s)") % {
        **facts,
        "free": filesizeformat(facts["free"]),
    }


DISK = register_rule(
    Rule(
        name="disk",
        title=gettext_lazy("A disk is filling up"),
        judge=_disk,
        sentence=_disk_told,
        covers=("disk",),
        thresholds=(
            from_settings("alert_disk_free_percent", gettext_lazy("warning (free, in %)")),
            from_settings(
                "alert_disk_free_critical_percent", gettext_lazy("critical (free, in %)")
            ),
        ),
    )
)
