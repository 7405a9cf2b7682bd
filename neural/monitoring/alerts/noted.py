"""Findings of doctor as rules read them: one for each probe, with its text in each language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import get_language

from neural.health.findings import Finding, Status

Findings = Sequence[Finding] | Mapping[str, Sequence[Finding]]
"""Findings in one language, or in several, by the language's code."""


@dataclass(frozen=True, kw_only=True)
class Noted:
    """What one probe has found."""

    status: Status
    found: Mapping[str, str]
    """What it says, by language."""
    remedy: Mapping[str, str]

    @property
    def facts(self) -> dict[str, Mapping[str, str]]:
        """The texts, as an alert keeps them."""
        return {"found": self.found, "remedy": self.remedy}


def noted(findings: Findings) -> dict[str, Noted]:
    """The findings by probe."""
    by_language = findings if isinstance(findings, Mapping) else {get_language() or "": findings}
    result: dict[str, Noted] = {}
    for language, theirs in by_language.items():
        for each in theirs:
            before = result.get(each.probe)
            result[each.probe] = Noted(
                status=Status(each.status),
                found={**(before.found if before else {}), language: each.found},
                remedy={**(before.remedy if before else {}), language: each.remedy},
            )
    return result


def in_language(texts: object) -> str:
    """The text in the active language, or else in any that there is."""
    if not isinstance(texts, Mapping) or not texts:
        return str(texts or "")
    language = get_language() or ""
    return str(texts.get(language) or next(iter(texts.values())))
