"""Runs every probe, in the order in which a person would."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.utils.translation import gettext as _

from neural.health import database, messages, runs, workers
from neural.health.findings import Finding, Status, in_turn, ok, problem, unknown, warning
from neural.health.situation import IN_RELAYS, PROBES, Probe, Situation

SHOWN = 3
"""How many messages of the system checks are shown."""


def settings(situation: Situation) -> Finding:
    """The system checks find nothing."""
    return _of_checks("settings", checks.run_checks(), command="manage.py check")


def kept_settings(situation: Situation) -> Finding:
    """The database checks find nothing in what people set there: schedules, plans."""
    found = checks.run_checks(tags=[checks.Tags.database], databases=[DEFAULT_DB_ALIAS])
    command = f"manage.py check --database {DEFAULT_DB_ALIAS}"
    return _of_checks("kept settings", found, command=command)


def _of_checks(probe: str, messages: Sequence[Any], *, command: str) -> Finding:
    """The finding for the messages of system checks, which keep their own language."""
    found = [each for each in messages if not each.is_silenced()]
    if not found:
        return ok(probe, _("the system checks find nothing"))
    found.sort(key=lambda each: -each.level)
    text = in_turn(f"{each.id or 'check'}: {_one_line(each.msg)}" for each in found[:SHOWN])
    hints = in_turn(_one_line(each.hint) for each in found[:SHOWN] if each.hint)
    judge = problem if found[0].is_serious(checks.ERROR) else warning
    about = {"hints": hints or _("correct it"), "command": command}
    return judge(probe, text, _("%(hints)s (all of it: %(command)s)") % about)


WITHOUT_DATABASE: Sequence[tuple[str, Probe]] = (
    ("settings", settings),
    ("disk", database.disk),
    ("broker", messages.broker),
    ("durability", messages.durability),
)
OF_DATABASE: Sequence[tuple[str, Probe]] = (
    ("migrations", database.migrations),
    ("clock", database.clock),
)
WRITING: Sequence[tuple[str, Probe]] = (("writing", database.writing),)
OF_LEDGER: Sequence[tuple[str, Probe]] = (
    ("kept settings", kept_settings),
    ("workers", workers.workers),
    ("messages", messages.unread_messages),
    ("backlog", workers.backlog),
    ("paused queues", workers.paused_queues),
    ("schedules off", workers.schedules_off),
    ("stuck runs", runs.stuck_runs),
    ("lost runs", runs.lost_runs),
    ("failures", runs.failing_attempts),
    ("dead letters", runs.dead_letters),
    ("refused events", runs.refused_events),
    ("batches", runs.batches),
    ("unregistered", runs.unregistered_work),
    ("versions", workers.versions),
    ("worker clocks", workers.clocks),
)


def of_ledger() -> list[tuple[str, Probe]]:
    """The probes of a working ledger: the core's, then those of apps."""
    return [*OF_LEDGER, *PROBES.items()]


def of_running_system() -> list[tuple[str, Probe]]:
    """The probes of what changes while the system runs, for those who ask again and again.

    Left out are settings and migrations, which change with a deployment (and take seconds), and the
    probe of writing: who keeps the findings in the database sees whether it takes them.
    """
    seldom = {"settings", "kept settings"}
    core = [*WITHOUT_DATABASE, ("clock", database.clock), *OF_LEDGER]
    of_apps = [(name, IN_RELAYS.get(name, probe)) for name, probe in PROBES.items()]
    return [*(each for each in core if each[0] not in seldom), *of_apps]


def examine(situation: Situation | None = None) -> list[Finding]:
    """Every probe's finding. Takes a few seconds at most, whatever is broken."""
    situation = situation or Situation()
    findings = [ask(name, probe, situation) for name, probe in WITHOUT_DATABASE]
    findings.append(ask("database", database.database, situation))
    if not situation.database_answers:
        because = _("the database has a problem")
        return findings + _not_asked([*OF_DATABASE, *WRITING, *of_ledger()], because)
    with database.impatient_database():
        findings += [ask(name, probe, situation) for name, probe in OF_DATABASE]
        if _is_wrong("migrations", findings):
            return findings + _not_asked([*WRITING, *of_ledger()], _("migrations are missing"))
        findings += [ask(name, probe, situation) for name, probe in WRITING]
        if _is_wrong("writing", findings):
            # No heartbeat is written either, so every worker would be called dead.
            return findings + _not_asked(of_ledger(), _("the database takes no write"))
        return findings + [ask(name, probe, situation) for name, probe in of_ledger()]


def _is_wrong(probe: str, findings: Sequence[Finding]) -> bool:
    return any(each.probe == probe and each.status != Status.OK for each in findings)


def ask(name: str, probe: Probe, situation: Situation) -> Finding:
    """A probe's finding; if the probe fails, that is the finding."""
    try:
        return probe(situation)
    except Exception as error:  # noqa: BLE001 (a probe that fails has found something)
        return problem(
            name,
            _("could not be looked at: %(error)s")
            % {"error": f"{type(error).__name__}: {_one_line(error)}"},
            _("if the other lines do not explain it, type: manage.py doctor --traceback"),
        )


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _not_asked(probes: Sequence[tuple[str, Probe]], why: str) -> list[Finding]:
    text = _("not looked at: %(why)s") % {"why": why}
    return [unknown(name, text) for name, probe in probes]
