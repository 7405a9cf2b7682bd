"""The course of a run: its attempts and what people did to it, in the order of time, with a bar for
each wait and each attempt.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from neural.admin.display import badge, duration, page_address
from neural.audit.titles import title_of
from neural.kit.charts import Bar, bar_of
from neural.models import (
    AuditedRow,
    AuditEntry,
    AuditOutcome,
    BulkActionItem,
    RunEdit,
    RunState,
    TaskRun,
)
from neural.personal.redacting import for_user
from neural.runs.admin.run_page.differences import ChangesForUser, changes_of
from neural.runs.lineage import edits_of
from neural.runs.models.attempt import Attempt, attempts_of
from neural.runs.models.run import FINISHED_STATES

MOST_ACTS = 50
WIDTH, HEIGHT = 1000, 10
LEAST = 3
"""An attempt of a few milliseconds in a day must still be seen."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act of a person. ``outcome`` is empty if it was done, ``address`` that of a page about
    it, ``changes`` what an edit changed."""

    at: dt.datetime
    by: str
    title: Any
    reason: str = ""
    outcome: Any = ""
    address: str = ""
    changes: ChangesForUser | None = field(default=None)


def acts_on(runs: Sequence[TaskRun], user: Any) -> dict[int, list[Act]]:
    """What people did to each run, the newest :data:`MOST_ACTS` of each kind."""
    keys = [run.pk for run in runs]
    found: dict[int, list[Act]] = {key: [] for key in keys}
    for kind in (_audited, _in_bulk, _edits):
        for key, act in kind(keys, user):
            found[key].append(act)
    return found


def _audited(keys: Sequence[int], user: Any) -> Iterator[tuple[int, Act]]:
    """Entries that name a run, without those that the other two kinds tell in full. Nothing for
    who may not see the audit log."""
    if not user.has_perm("neural.view_auditentry"):
        return
    named = AuditedRow.objects.filter(model="neural.taskrun", object_id__in=map(str, keys))
    rows: QuerySet[AuditedRow] = named.select_related("entry").order_by("-entry")
    for row in rows[:MOST_ACTS]:
        entry: AuditEntry = row.entry
        is_done = entry.outcome == AuditOutcome.DONE
        if entry.action.startswith("runs.bulk.") or (entry.action == "run.edit" and is_done):
            continue
        act = Act(
            at=entry.at,
            by=entry.actor,
            title=title_of(entry.action),
            reason=for_user(entry.reason, user),
            outcome="" if is_done else entry.get_outcome_display(),
            address=_address(entry, user, "neural.view_auditentry"),
        )
        yield int(row.object_id), act


def _in_bulk(keys: Sequence[int], user: Any) -> Iterator[tuple[int, Act]]:
    items = BulkActionItem.objects.filter(run_id__in=keys).select_related("action")
    for item in items.order_by("-pk")[:MOST_ACTS]:
        act = Act(
            at=item.at,
            by=item.action.requested_by,
            title=item.action,
            reason=for_user(item.action.reason, user),
            outcome=item.get_outcome_display(),
            address=_address(item.action, user, "neural.view_bulkaction"),
        )
        yield item.run_id, act


def _edits(keys: Sequence[int], user: Any) -> Iterator[tuple[int, Act]]:
    for edit in edits_of(*keys):
        act = Act(
            at=edit.at,
            by=edit.edited_by,
            title=title_of("run.edit"),
            reason=for_user(edit.reason, user),
            outcome=_outcome(edit),
            changes=changes_of(edit.before, edit.after, user),
        )
        yield edit.run_id, act


def _outcome(edit: RunEdit) -> Any:
    if edit.new_event_id is None:
        return pgettext_lazy("edit of a run", "retried with other arguments")
    return pgettext_lazy("edit of a run", "a corrected event was submitted in its place")


def _address(row: Any, user: Any, permission: str) -> str:
    return page_address(row) if user.has_perm(permission) else ""


@dataclass(frozen=True)
class Axis:
    """The time between two moments."""

    start: dt.datetime
    end: dt.datetime

    def bar(self, kind: str, start: dt.datetime, end: dt.datetime) -> Bar:
        """The piece from ``start`` to ``end``, cut to the axis, never too thin to be seen."""
        left, right = self._place(start), self._place(end)
        width = max(right - left, LEAST)
        return bar_of(kind, min(left, WIDTH - width), 0, width, HEIGHT)

    def _place(self, moment: dt.datetime) -> int:
        length = (self.end - self.start).total_seconds()
        share = (moment - self.start).total_seconds() / length if length > 0 else 0.0
        return round(min(max(share, 0.0), 1.0) * WIDTH)


def axis_of(moments: Sequence[dt.datetime]) -> Axis:
    """The axis on which all of these moments lie."""
    return Axis(min(moments), max(moments))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. ``facts`` are short texts; ``bars`` show how long it waited and took. ``at`` is
    None where nothing tells the time."""

    at: dt.datetime | None
    title: Any
    facts: Sequence[Any] = ()
    attempt: Attempt | None = None
    act: Act | None = None
    error: str = ""
    traceback: str = ""
    own_frame: str = ""
    is_next: bool = False
    bars: Sequence[Bar] = ()
    waited: tuple[dt.datetime, dt.datetime] | None = field(default=None, repr=False)
    took: tuple[dt.datetime, dt.datetime] | None = field(default=None, repr=False)


def timelines(
    runs: Sequence[TaskRun], user: Any, now: dt.datetime
) -> list[tuple[TaskRun, list[Step]]]:
    """Each run with its steps by time; what is to come is the last."""
    acts = acts_on(runs, user)
    return [(run, _timeline(run, acts[run.pk], user, now)) for run in runs]


def timeline(run: TaskRun, user: Any, now: dt.datetime) -> list[Step]:
    """The steps of one run."""
    ((_run, steps),) = timelines([run], user, now)
    return steps


def _timeline(run: TaskRun, acts: Sequence[Act], user: Any, now: dt.datetime) -> list[Step]:
    attempts = attempts_of(run)
    steps = [_submitted(run), *_attempts(run, attempts, user, now)]
    steps += [_of_act(act) for act in acts]
    steps += _ended(run)
    steps.sort(key=lambda step: step.at or now)
    steps += [*_discarded(run), *_next(run, now)]
    return _with_bars(steps, run)


def _submitted(run: TaskRun) -> Step:
    facts = []
    if run.requested_by:
        facts.append(_("requested by %(name)s") % {"name": run.requested_by})
    if run.event is not None:
        facts.append(_("reported by %(source)s") % {"source": run.event.source})
    facts.append(_("queue %(name)s, priority %(number)d") % _place(run))
    return Step(at=run.created_at, title=pgettext("run", "Submitted"), facts=facts)


def _place(run: TaskRun) -> dict[str, Any]:
    return {"name": run.queue, "number": run.priority}


def _attempts(
    run: TaskRun, attempts: Sequence[Attempt], user: Any, now: dt.datetime
) -> Iterator[Step]:
    ready = run.created_at
    for attempt in attempts:
        is_last = attempt is attempts[-1]
        yield _attempt(run, attempt, ready, user, now, is_last=is_last)
        ready = attempt.finished_at or attempt.started_at


def _attempt(
    run: TaskRun,
    attempt: Attempt,
    ready: dt.datetime,
    user: Any,
    now: dt.datetime,
    *,
    is_last: bool,
) -> Step:
    due = _due_of(run, ready, attempt, is_last=is_last)
    return Step(
        at=attempt.started_at,
        title=_("Attempt %(number)s") % {"number": attempt.number},
        facts=[*_waits(attempt, ready, due, is_last=is_last), _took(attempt, now)],
        attempt=attempt,
        error=for_user(attempt.error, user),
        traceback=for_user(attempt.traceback, user),
        own_frame=for_user(attempt.own_frame, user),
        waited=(due, attempt.started_at),
        took=(attempt.started_at, attempt.finished_at or now),
    )


def _due_of(run: TaskRun, ready: dt.datetime, attempt: Attempt, *, is_last: bool) -> dt.datetime:
    """When the attempt was due: known of the last one alone, unless the next is due already."""
    if is_last and run.state != RunState.PENDING:
        return min(max(ready, run.available_at), attempt.started_at)
    return ready


def _waits(
    attempt: Attempt, ready: dt.datetime, due: dt.datetime, *, is_last: bool
) -> Iterator[str]:
    """How long the attempt was held back, and how long it then waited for a worker."""
    waited = {"duration": duration(attempt.started_at - due)}
    if due > ready:
        yield _("not due for %(duration)s") % {"duration": duration(due - ready)}
    if attempt.number == 1 or is_last:
        yield _("waited %(duration)s") % waited
    else:
        yield _("began %(duration)s after the one before") % waited


def _took(attempt: Attempt, now: dt.datetime) -> str:
    if attempt.duration is None:
        working = {"duration": duration(now - attempt.started_at)}
        return _("has been working for %(duration)s") % working
    return _("took %(duration)s") % {"duration": duration(attempt.duration)}


def _of_act(act: Act) -> Step:
    facts = [_("by %(name)s") % {"name": act.by}]
    return Step(at=act.at, title=act.title, facts=[*facts, *filter(None, [act.outcome])], act=act)


def _ended(run: TaskRun) -> Iterator[Step]:
    """The outcome, with the whole time since the submission."""
    if run.state not in FINISHED_STATES or run.finished_at is None:
        return
    whole = {"duration": duration(run.finished_at - run.created_at)}
    facts = [_("%(duration)s after it was submitted") % whole]
    # A discarded run keeps the time at which it died.
    state = RunState.DEAD if run.state == RunState.DISCARDED else RunState(run.state)
    yield Step(at=run.finished_at, title=badge(state, state.label), facts=facts)


def _discarded(run: TaskRun) -> Iterator[Step]:
    if run.state == RunState.DISCARDED:
        title = badge(run.state, run.get_state_display())
        yield Step(at=None, title=title, facts=[_("it is not retried")])


def _next(run: TaskRun, now: dt.datetime) -> Iterator[Step]:
    if run.state != RunState.PENDING:
        return
    number = run.attempt_number + 1
    title = _("Attempt %(number)s is due") % {"number": number}
    facts = []
    if run.available_at <= now:
        left = {"duration": duration(max(run.publish_at - now, dt.timedelta()))}
        facts = [
            _("waits for a worker of the queue %(name)s") % {"name": run.queue},
            _("a new message is sent in %(duration)s unless one takes it") % left,
        ]
    yield Step(at=run.available_at, title=title, facts=facts, is_next=True)


def _with_bars(steps: Sequence[Step], run: TaskRun) -> list[Step]:
    spans = [span for step in steps for span in (step.waited, step.took) if span]
    axis = axis_of([run.created_at, *(moment for span in spans for moment in span)])
    return [replace(step, bars=_bars(step, axis)) for step in steps]


def _bars(step: Step, axis: Axis) -> list[Bar]:
    found = []
    if step.waited:
        found.append(axis.bar("wait", *step.waited))
    if step.took:
        outcome = step.attempt.outcome if step.attempt else None
        found.append(axis.bar(outcome.value if outcome else "running", *step.took))
    return found
