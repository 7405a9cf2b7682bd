"""Probes of failures that need a person: failed attempts, dead runs and refused events."""

import datetime as dt
from collections import Counter

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.health.findings import COUNTED, Finding, ok, runs_told, span, warning
from neural.health.situation import Situation
from neural.ledger.work import told_work
from neural.models import AttemptOutcome, RefusedEvent, TaskAttempt, TaskRun

RECENTLY_DEAD = RECENTLY_REFUSED = dt.timedelta(days=1)
RECENTLY_FAILED = dt.timedelta(minutes=10)
MANY = 10
"""From this many failed attempts on, the probe warns. Retries are meant for fewer."""


def failing_attempts(situation: Situation) -> Finding:
    """Few attempts have failed recently. Dead letters come only after the retries."""
    failed = situation.once("failures", lambda: _failed_recently(situation))
    about = {"count": f"{len(failed):,}", "span": span(RECENTLY_FAILED.total_seconds())}
    told = (
        ngettext(
            "%(count)s attempt failed in the last %(span)s",
            "%(count)s attempts failed in the last %(span)s",
            len(failed),
        )
        % about
    )
    return _many_failed(failed, told) if len(failed) >= MANY else ok("failures", told)


def _failed_recently(situation: Situation) -> list[TaskAttempt]:
    newest = TaskAttempt.objects.order_by("-pk").select_related("run")
    columns = ("outcome", "finished_at", "error", "run__task", "run__handler")
    since = situation.now - RECENTLY_FAILED
    return [
        each
        for each in newest.only(*columns)[:COUNTED]
        if each.outcome == AttemptOutcome.FAILED and each.finished_at > since
    ]


def _many_failed(failed: list[TaskAttempt], told: str) -> Finding:
    work, number = Counter(each.run.work_name for each in failed).most_common(1)[0]
    error = next(each.error for each in failed if each.run.work_name == work)
    about = {"told": told, "count": number, "work": told_work(work), "error": error}
    return warning(
        "failures",
        _("%(told)s, %(count)d of %(work)s, the last: %(error)s") % about,
        _(
            "mend what it says; the tracebacks are in the admin under Runs. Retries come by "
            "themselves; what dies meanwhile: manage.py retry_runs --dry-run"
        ),
    )


def dead_letters(situation: Situation) -> Finding:
    """No run has died recently."""
    recent = situation.once("dead letters", lambda: _dead_recently(situation))
    within = span(RECENTLY_DEAD.total_seconds())
    if not recent:
        return ok("dead letters", _("none in the last %(span)s") % {"span": within})
    last = recent[0]
    about = {
        "runs": runs_told(len(recent)),
        "span": within,
        "run": last.task_id,
        "work": told_work(last.work_name),
        "error": last.error or _("no error is recorded"),
    }
    return warning(
        "dead letters",
        _("%(runs)s died in the last %(span)s, such as %(run)s of %(work)s: %(error)s") % about,
        _(
            "see what they have in common: manage.py retry_runs --dry-run; mend it, then type: "
            "manage.py retry_runs --since 1d; or discard them in the admin"
        ),
    )


def _dead_recently(situation: Situation) -> list[TaskRun]:
    columns = ("task_id", "task", "handler", "error", "finished_at")
    newest = TaskRun.objects.dead().order_by("-pk").only(*columns)[:COUNTED]
    since = situation.now - RECENTLY_DEAD
    return [run for run in newest if (run.finished_at or situation.now) > since]


def refused_events(situation: Situation) -> Finding:
    """Every event that was refused recently has been corrected or dismissed."""
    lately = RefusedEvent.objects.open().filter(
        last_refused_at__gt=situation.now - RECENTLY_REFUSED
    )
    columns = ("type", "event_id", "store_code", "source", "problems", "last_refused_at")
    newest = lately.order_by("-last_refused_at").only(*columns)
    found = situation.once("refused events", lambda: list(newest[:COUNTED]))
    within = {"span": span(RECENTLY_REFUSED.total_seconds())}
    if not found:
        return ok("refused events", _("none in the last %(span)s") % within)
    about = within | {"events": _events_told(len(found)), "last": _refusal_told(found[0])}
    return warning(
        "refused events",
        _("%(events)s in the last %(span)s, such as %(last)s") % about,
        _(
            "correct and submit them, or dismiss them, in the admin under Refused events; where "
            "one source is refused again and again, mend what it sends"
        ),
    )


def _events_told(number: int) -> str:
    if number >= COUNTED:
        return _("%(count)s events or more were refused") % {"count": f"{number:,}"}
    text = ngettext("%(count)s event was refused", "%(count)s events were refused", number)
    return text % {"count": f"{number:,}"}


def _refusal_told(refused: RefusedEvent) -> str:
    about = {"event": str(refused), "store": refused.store_code or "?"}
    why = next(("{field}: {reason}".format(**each) for each in refused.problems), "?")
    named = _("%(event)s of store %(store)s") % about
    return f"{named} ({why})"
