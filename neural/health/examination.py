"""The core's checks, in the order in which a person would look, and how they are asked."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from neural.health import database, messages, runs, workers
from neural.health.checks import CHECKS, Check, Needs, register_check
from neural.health.findings import Finding, Status, in_turn, ok, problem, unknown, warning
from neural.health.situation import Situation
from neural.models import RunState
from neural.runs.query import EVER

SHOWN = 3
"""How many messages of the system checks are shown."""


def settings(situation: Situation) -> Finding:
    """The system checks find nothing."""
    return _of_checks(checks.run_checks(), command="manage.py check")


def kept_settings(situation: Situation) -> Finding:
    """The database checks find nothing in what people set there: schedules, plans."""
    found = checks.run_checks(tags=[checks.Tags.database], databases=[DEFAULT_DB_ALIAS])
    return _of_checks(found, command=f"manage.py check --database {DEFAULT_DB_ALIAS}")


def _of_checks(messages: Sequence[Any], *, command: str) -> Finding:
    """The finding for the messages of system checks, which keep their own language."""
    found = [each for each in messages if not each.is_silenced()]
    if not found:
        return ok(gettext("the system checks find nothing"))
    found.sort(key=lambda each: -each.level)
    text = in_turn(f"{each.id or 'check'}: {_one_line(each.msg)}" for each in found[:SHOWN])
    hints = in_turn(_one_line(each.hint) for each in found[:SHOWN] if each.hint)
    judge = problem if found[0].is_serious(checks.ERROR) else warning
    about = {"hints": hints or gettext("correct it"), "command": command}
    return judge(text, gettext("%(hints)s (all of it: %(command)s)") % about)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


NOTHING, DATABASE, MIGRATIONS, WRITING = Needs
QUEUES, RUNS = "neural_queuepause_changelist", "neural_taskrun_changelist"
WORKERS, GROUPS = "neural_workerprocess_changelist", "neural_monitoring_errorgroup_changelist"
SCHEDULES, BATCHES = "neural_schedulepolicy_changelist", "neural_batch_changelist"
REFUSED = "neural_refusedevent_changelist"
STUCK = {"state": RunState.RUNNING.value, "period": EVER}
DEAD = {"state": RunState.DEAD.value, "period": EVER}

CORE: Sequence[Check] = (
    Check("settings", settings, needs=NOTHING, seldom=True),
    Check("disk", database.disk, title=_("Disk"), needs=NOTHING, alerts=["disk"]),
    Check(
        "broker", messages.broker, title=pgettext_lazy("probe", "Broker"), needs=NOTHING,
        alerts=["broker"],
    ),
    Check(
        "durability", messages.durability, title=_("Durability of messages"), needs=NOTHING,
        covered_by=["broker"],
    ),
    Check(
        "database", database.database, title=_("Database"), needs=NOTHING, seldom=True,
        alerts=["database"],
    ),
    Check("migrations", database.migrations, needs=DATABASE, seldom=True),
    Check("clock", database.clock, title=_("Clock"), needs=DATABASE),
    Check("writing", database.writing, needs=MIGRATIONS, seldom=True),
    Check("kept settings", kept_settings, title=_("Kept settings"), seldom=True),
    Check("workers", workers.workers, title=_("Workers"), page=WORKERS, alerts=["no_worker"]),
    Check(
        "messages", messages.unread_messages, title=_("Messages that nobody reads"), page=QUEUES,
        covered_by=["no_worker", "broker"],
    ),
    Check(
        "backlog", workers.backlog, title=_("Work waits"), page=QUEUES,
        alerts=["oldest_due", "stalled_queue"],
    ),
    Check("paused queues", workers.paused_queues, title=_("Paused queues"), page=QUEUES),
    Check(
        "schedules off", workers.schedules_off, title=_("Schedules that are switched off"),
        page=SCHEDULES, rows={"off": "1"},
    ),
    Check("stuck runs", runs.stuck_runs, title=_("Stuck runs"), page=RUNS, rows=STUCK),
    Check("lost runs", runs.lost_runs, title=_("Lost runs"), page=WORKERS),
    Check(
        "failures", runs.failing_attempts, title=_("Failed attempts"), page=GROUPS, of_stores=True,
        alerts=["failure_rate"],
    ),
    Check(
        "dead letters", runs.dead_letters, title=_("Dead letters"), page=RUNS, rows=DEAD,
        of_stores=True, alerts=["dead_letters"],
    ),
    Check(
        "refused events", runs.refused_events, title=_("Refused events"), page=REFUSED,
        rows={"state": "open"}, of_stores=True,
    ),
    Check("batches", runs.batches, title=_("Batches"), page=BATCHES, alerts=["batches"]),
    Check("unregistered", runs.unregistered_work, title=_("Unregistered work"), page=RUNS),
    Check("versions", workers.versions, title=_("Versions of workers"), page=WORKERS),
    Check("worker clocks", workers.clocks, title=_("Clocks of workers"), page=WORKERS),
)  # fmt: skip


for each in CORE:
    register_check(each)


def of_running_system() -> list[Check]:
    """The checks of what changes while the system runs, as relays ask them again and again."""
    return [replace(each, probe=each.in_relays or each.probe) for each in CHECKS if not each.seldom]


def examine(situation: Situation | None = None) -> list[Finding]:
    """What every check finds. Takes a few seconds at most, whatever is broken."""
    situation, found = situation or Situation(), dict[str, Finding]()
    with ExitStack() as stack:
        for needs, group in groupby(CHECKS, key=lambda each: each.needs):
            why = _why_not(needs, situation, found)
            if needs == DATABASE and not why:
                stack.enter_context(database.impatient_database())
            not_asked = unknown(gettext("not looked at: %(why)s") % {"why": why})
            for each in group:
                finding = replace(not_asked, probe=each.name) if why else ask(each, situation)
                found[each.name] = finding
    return list(found.values())


def _why_not(needs: Needs, situation: Situation, found: Mapping[str, Finding]) -> str:
    """Why checks with these needs cannot be asked, by what was found so far; empty if they can."""
    if needs >= DATABASE and not situation.database_answers:
        return gettext("the database has a problem")
    if needs >= MIGRATIONS and found["migrations"].status != Status.OK:
        return gettext("migrations are missing")
    if needs >= WRITING and found["writing"].status != Status.OK:
        return gettext("the database takes no write")
    return ""


def ask(check: Check, situation: Situation) -> Finding:
    """What the check finds; if its probe fails, that is the finding."""
    try:
        finding = check.probe(situation)
    except Exception as error:  # noqa: BLE001 (a probe that fails has found something)
        text = gettext("could not be looked at: %(error)s")
        finding = problem(
            text % {"error": f"{type(error).__name__}: {_one_line(error)}"},
            gettext("if the other lines do not explain it, type: manage.py doctor --traceback"),
        )
    return replace(finding, probe=check.name)
