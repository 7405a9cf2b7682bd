"""Rules about findings of doctor: the database, the broker, and each probe without a rule."""

from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy

from neural.health.findings import Status
from neural.monitoring.alerts.judging import (
    UNKNOWN,
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
)
from neural.monitoring.alerts.noted import in_language
from neural.monitoring.alerts.rules import RULES, register_rule
from neural.monitoring.models import Severity


def found_told(subject: str, facts: Facts) -> str:
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
    return register_rule(
        Rule(
            name=name,
            title=title,
            judge=partial(_of_probe, probe=name),
            sentence=found_told,
            covers=(name,),
        )
    )


DATABASE = _rule_of_probe("database", gettext_lazy("The database is not well"))
BROKER = _rule_of_probe("broker", gettext_lazy("The broker is not well"))


def _finding(view: View, thresholds: Thresholds) -> Judgement:
    """Problems of all other probes; the probe is the subject."""
    covered = {probe for rule in RULES for probe in rule.covers}
    problems = [
        Condition(subject=probe, severity=Severity.CRITICAL, facts=noted.facts)
        for probe, noted in view.findings.items()
        if noted.status == Status.PROBLEM and probe not in covered
    ]
    return Judgement(problems, knows=lambda probe: view.status(probe) != Status.UNKNOWN)


FINDING = register_rule(
    Rule(
        name="finding",
        title=gettext_lazy("Doctor finds a problem"),
        judge=_finding,
        sentence=found_told,
        for_seconds=60,
    )
)
