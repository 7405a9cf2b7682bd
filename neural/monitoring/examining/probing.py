"""Runs the probes, one after the other, in every language of the project."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.utils import translation

from neural.health.examination import ask, of_running_system
from neural.health.findings import Finding, Status
from neural.health.situation import Situation
from neural.monitoring.alerts.judging import WATCHED_SINCE

BREAK = dt.timedelta(minutes=5)
"""Without an examination for so long, relays did not watch."""

Findings = Mapping[str, Sequence[Finding]]
"""Findings by language."""


def languages() -> list[str]:
    """The codes of the project's languages, its own first."""
    return list(dict.fromkeys([settings.LANGUAGE_CODE, *dict(settings.LANGUAGES)]))


def probing(situation: Situation) -> Iterator[Mapping[str, Finding]]:
    """Each probe's finding by language. A caller may pause between two of them."""
    for name, probe in of_running_system():
        found = {}
        for language in languages():
            with translation.override(language):
                found[language] = ask(name, probe, situation)
        yield found


def as_json(findings: Findings) -> dict[str, list[dict[str, Any]]]:
    """Findings as they are kept in the row."""
    return {language: [asdict(each) for each in own] for language, own in findings.items()}


def since(findings: Sequence[Finding], before: Mapping[str, str], *, now: str) -> Mapping[str, str]:
    """When each finding that is not well began, by its probe: kept from the examination before, or
    now."""
    unwell = [each.probe for each in findings if each.status in (Status.PROBLEM, Status.WARNING)]
    return {probe: before.get(probe, now) for probe in unwell}


def watched_since(before: Mapping[str, Any], *, now: dt.datetime) -> str:
    """Since when examinations have come without a long break, given the facts of the one before."""
    last, since = before.get("at"), before.get(WATCHED_SINCE)
    has_gone_on = last and now - dt.datetime.fromisoformat(last) < BREAK
    return since if since and has_gone_on else now.isoformat()
