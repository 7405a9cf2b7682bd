"""Asking every probe, in the order in which a person would."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from neural.health import (
    database,
    failures,
    messages,
    refused_events,
    runs,
    storage,
    system,
    versions,
    workers,
    writing,
)
from neural.health.findings import Finding, Status, problem, unknown
from neural.health.probes import PROBES, Probe
from neural.health.situation import Situation

WITHOUT_DATABASE: Sequence[tuple[str, Probe]] = (
    ("settings", system.settings),
    ("disk", storage.disk),
    ("broker", messages.broker),
    ("durability", messages.durability),
)
OF_DATABASE: Sequence[tuple[str, Probe]] = (
    ("migrations", database.migrations),
    ("clock", database.clock),
)
WRITING: Sequence[tuple[str, Probe]] = (("writing", writing.writing),)
OF_LEDGER: Sequence[tuple[str, Probe]] = (
    ("workers", workers.workers),
    ("messages", messages.unread_messages),
    ("backlog", workers.backlog),
    ("stuck runs", runs.stuck_runs),
    ("lost runs", runs.lost_runs),
    ("failures", failures.failing_tries),
    ("dead letters", failures.dead_letters),
    ("refused events", refused_events.refused_events),
    ("unregistered", runs.unregistered_work),
    ("versions", versions.versions),
    ("worker clocks", versions.clocks),
)


def of_ledger() -> list[tuple[str, Probe]]:
    """What is asked of a ledger that works: the core's probes, then those of apps."""
    return [*OF_LEDGER, *PROBES.items()]


def examine(situation: Situation | None = None) -> list[Finding]:
    """Every probe's finding. Takes a few seconds at most, whatever is broken."""
    situation = situation or Situation()
    findings = [_ask(name, probe, situation) for name, probe in WITHOUT_DATABASE]
    reached = _ask("database", database.database, situation)
    findings.append(reached)
    if reached.status == Status.PROBLEM:
        because = _("the database does not answer")
        return findings + _not_asked([*OF_DATABASE, *WRITING, *of_ledger()], because)
    with database.impatient_database():
        findings += [_ask(name, probe, situation) for name, probe in OF_DATABASE]
        if _is_wrong("migrations", findings):
            return findings + _not_asked([*WRITING, *of_ledger()], _("migrations are missing"))
        findings += [_ask(name, probe, situation) for name, probe in WRITING]
        if _is_wrong("writing", findings):
            # No heartbeat is written either: every worker would be called dead.
            return findings + _not_asked(of_ledger(), _("the database takes no write"))
        return findings + [_ask(name, probe, situation) for name, probe in of_ledger()]


def _is_wrong(probe: str, findings: Sequence[Finding]) -> bool:
    return any(each.probe == probe and each.status != Status.OK for each in findings)


def _ask(name: str, probe: Probe, situation: Situation) -> Finding:
    try:
        return probe(situation)
    except Exception as error:  # noqa: BLE001 (a probe that fails has found something)
        return problem(
            name,
            _("could not be looked at: %(error)s") % {"error": _one_line(error)},
            _("if the other lines do not explain it, type: manage.py doctor --traceback"),
        )


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _not_asked(probes: Sequence[tuple[str, Probe]], why: str) -> list[Finding]:
    told = _("not looked at: %(why)s") % {"why": why}
    return [unknown(name, told) for name, probe in probes]
