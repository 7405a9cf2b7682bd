"""Rules about what doctor finds: the database, the broker, disks, any probe without a rule."""

import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health import database
from neural.health.checks import CHECKS
from neural.health.findings import Status
from neural.monitoring.alerts.rules import (
    UNKNOWN,
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    in_language,
    register_rule,
    severity_of,
)
from neural.monitoring.models import Severity


def finding_sentence(subject: str, facts: Facts) -> str:
    """What the probe found, in the reader's language if it was examined in that one."""
    return in_language(facts.get("found"))


def _of_probe(view: View, thresholds: Thresholds, *, probe: str) -> Judgement:
    status = view.status(probe)
    if status == Status.UNKNOWN:
        return UNKNOWN
    if status != Status.PROBLEM:
        return Judgement()
    facts = view.findings[probe].facts
    return Judgement([Condition(severity=Severity.CRITICAL, facts=facts)])


def _rule_of_probe(name: str, title: Any) -> Rule:
    judge = partial(_of_probe, probe=name)
    return Rule(name=name, title=title, judge=judge, sentence=finding_sentence)


DATABASE = _rule_of_probe("database", gettext_lazy("The database is not well"))
BROKER = _rule_of_probe("broker", gettext_lazy("The broker is not well"))


def _finding(view: View, thresholds: Thresholds) -> Judgement:
    """Problems of all checks that have no alerts of their own; the check is the subject."""
    others = {each.name for each in CHECKS if each.alerts}
    problems = [
        Condition(subject=probe, severity=Severity.CRITICAL, facts=finding.facts)
        for probe, finding in view.findings.items()
        if finding.status == Status.PROBLEM and probe not in others
    ]
    return Judgement(problems, knows=lambda probe: view.status(probe) != Status.UNKNOWN)


def _batches(view: View, thresholds: Thresholds) -> Judgement:
    if view.status("batches") != Status.WARNING:
        return Judgement(knows=lambda subject: view.status("batches") == Status.OK)
    return Judgement([Condition(facts=view.findings["batches"].facts)])


BATCHES = Rule(
    name="batches",
    title=gettext_lazy("A batch is not ended by anything"),
    judge=_batches,
    sentence=finding_sentence,
    page="neural_batch_changelist",
)


FINDING = Rule(
    name="finding",
    title=gettext_lazy("Doctor finds a problem"),
    judge=_finding,
    sentence=finding_sentence,
    for_seconds=60,
)


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
    for place in dict.fromkeys(database.places()):
        free, size = free_of(place)
        percent = 100 * free / size if size else 100.0
        if severity := severity_of(warning=percent < warning, critical=percent < critical):
            facts = {"host": host, "place": str(place), "free": free, "percent": round(percent, 1)}
            found.append(Condition(subject=f"{host}:{place}", severity=severity, facts=facts))
    others = {worker.host for worker in view.situation.workers} - {host}
    # What a machine has said that has no process any more ends, too.
    return Judgement(found, knows=lambda subject: subject.partition(":")[0] not in others)


def _disk_sentence(subject: str, facts: Facts) -> str:
    return _("%(place)s on %(host)s has %(percent).1f %% free (%(free)s)") % {
        **facts,
        "free": filesizeformat(facts["free"]),
    }


DISK = Rule(
    name="disk",
    title=gettext_lazy("A disk is filling up"),
    judge=_disk,
    sentence=_disk_sentence,
    thresholds=from_settings(
        disk_free_percent=gettext_lazy("warning (free, in %)"),
        disk_free_critical_percent=gettext_lazy("critical (free, in %)"),
    ),
)

for each in (DATABASE, BROKER, BATCHES, FINDING, DISK):
    register_rule(each)
