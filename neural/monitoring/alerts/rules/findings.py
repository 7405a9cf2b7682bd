"""Rules about what doctor finds: the database, the broker, disks, any probe without a rule."""

import socket
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


def _rule_of_check(name: str, title: Any, severity: Severity, **more: Any) -> Rule:
    """A rule that tells what one check finds, while that is as severe."""
    alarming = Status.PROBLEM if severity == Severity.CRITICAL else Status.WARNING

    def judge(view: View, thresholds: Thresholds) -> Judgement:
        status = view.status(name)
        if status == alarming:
            facts = view.findings[name].facts
            return Judgement([Condition(severity=severity, facts=facts)])
        return Judgement() if status in (Status.OK, Status.WARNING) else UNKNOWN

    return Rule(name=name, title=title, judge=judge, sentence=finding_sentence, **more)


DATABASE = _rule_of_check("database", gettext_lazy("The database is not well"), Severity.CRITICAL)
BROKER = _rule_of_check("broker", gettext_lazy("The broker is not well"), Severity.CRITICAL)
BATCHES = _rule_of_check(
    "batches",
    gettext_lazy("A batch is not ended by anything"),
    Severity.WARNING,
    page="neural_batch_changelist",
)


def _finding(view: View, thresholds: Thresholds) -> Judgement:
    """Problems of all checks that have no alerts of their own; the check is the subject."""
    others = {each.name for each in CHECKS if each.alerts}
    problems = [
        Condition(subject=probe, severity=Severity.CRITICAL, facts=finding.facts)
        for probe, finding in view.findings.items()
        if finding.status == Status.PROBLEM and probe not in others
    ]
    return Judgement(problems, knows=lambda probe: view.status(probe) != Status.UNKNOWN)


FINDING = Rule(
    name="finding",
    title=gettext_lazy("Doctor finds a problem"),
    judge=_finding,
    sentence=finding_sentence,
    for_seconds=60,
)


def _disk(view: View, thresholds: Thresholds) -> Judgement:
    """Relays of several machines look at their own disks, so each knows about its own alone."""
    host = socket.gethostname()
    warning, critical = thresholds["disk_free_percent"], thresholds["disk_free_critical_percent"]
    found = []
    for place in dict.fromkeys(database.places()):
        free, size = database.free_of(place)
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
