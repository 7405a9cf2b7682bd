"""What people do to runs: the one table of verbs, for a run's page, the list, bulk actions,
``manage.py retry_runs`` and the API.

A new one is a choice of :class:`~neural.models.BulkVerb` with its label, a method of that name on
runs, the permission ``neural.<name>_taskrun``, and an entry in :data:`RUN_VERBS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy

from neural.kit.errors import NeuralError
from neural.kit.sites import address_if_there
from neural.kit.verbs import Verb
from neural.ledger.record import BY_MESSAGE
from neural.models import BulkVerb, RunState, TaskRun
from neural.runs.bulk.listeners import notify_changed
from neural.runs.models.run import SET_ASIDE_STATES, TaskRunQuerySet
from neural.runs.models.run_log import log_change
from neural.runs.query import RunQuery

Values = Mapping[str, Any]
NOTHING: Values = MappingProxyType({})
QUEUE = "queue"
"""The value that a move needs: the queue to move to."""
PREVIEW = "neural_bulkaction_preview"
CHOSEN = "_selected_action"
"""The parameter of chosen runs, as Django's lists name it."""
WHY_LEFT_OUT: Mapping[str, Any] = {
    "payload_pruned": _("its event's payload was pruned"),
    "refused": _("its message was refused: it is retried if it is chosen itself"),
    "there_already": _("it is on that queue already"),
}
"""Why a verb leaves a run as it is although its state fits, for people, by the reason's code."""


class RunsNotLocked(NeuralError):
    """The database changed runs that this transaction had locked."""


@dataclass(frozen=True, kw_only=True)
class RunVerb(Verb):
    """A verb for runs: for one by the method of its name, for many by that of the query set."""

    button: Any
    """What the button says, with the number of runs; a lazy ``ngettext``."""
    states: Sequence[RunState]
    """The states in which it changes a run. The first is meant if a query names none."""
    logged: str
    """The change, in log lines."""
    excluded: Callable[[bool, Values], Mapping[str, Q]] = lambda named, values: {}
    """Runs that it leaves as they are although their state fits, by a key of
    :data:`WHY_LEFT_OUT`; of runs that were each chosen by name, or of all that match a filter."""

    def is_permitted(self, user: Any) -> bool:
        """Whether this user may apply the verb to the runs that they see."""
        active = bool(getattr(user, "is_active", False))
        return active and user.has_perms(["neural.view_taskrun", self.permission])

    @property
    def needs_queue(self) -> bool:
        """Whether it needs the queue to move to, so that nothing is done without a form."""
        return self.asks_for_one

    def meant(self, query: RunQuery) -> RunQuery:
        """The query with the verb's usual state, if it names none."""
        return query if query.state else replace(query, state=self.states[0])

    def left_out(
        self, runs: TaskRunQuerySet, *, named: bool, values: Values = NOTHING
    ) -> dict[str, TaskRunQuerySet]:
        """Which of these runs it leaves as they are although their state fits, by the reason.
        ``named``: each was chosen itself, by its box or its id."""
        return {why: runs.filter(each) for why, each in self.excluded(named, values).items()}

    def reached(
        self, runs: TaskRunQuerySet, *, named: bool, values: Values = NOTHING
    ) -> TaskRunQuerySet:
        """These runs without those that are left out."""
        for condition in self.excluded(named, values).values():
            runs = runs.exclude(condition)
        return runs

    def change_one(self, run: TaskRun) -> bool:
        """Change a run that somebody chose; returns whether it was in a state that allows it."""
        mine: Any = TaskRun.objects.filter(pk=run.pk)
        is_reached = not self.asks_for_one and self.reached(mine, named=True).exists()
        return is_reached and getattr(run, self.name)()

    def change_all(
        self, runs: Sequence[TaskRun], *, values: Values = NOTHING, **logged: Any
    ) -> None:
        """Change these runs, which are locked, by one statement, and tell who listens. With facts
        such as ``by``, who asked for it, log it on commit. Raises :class:`RunsNotLocked` if one of
        them was changed meanwhile."""
        keys = [run.pk for run in runs]
        change = getattr(TaskRun.objects.filter(pk__in=keys), self.name)
        needed = {QUEUE: values[QUEUE]} if self.needs_queue else {}
        if change(**needed) != len(keys):
            raise RunsNotLocked(f"{self.name}: runs changed although they were locked")
        notify_changed(self.name, keys)
        if logged:
            transaction.on_commit(lambda: log_change(self.logged, runs, **logged), robust=True)


REFUSED = Q(requested_by=BY_MESSAGE, started_at=None) & ~Q(error="") | Q(options__has_key="refused")
"""Dead letters of messages that were refused before anything ran, and those of which only a part
was kept."""


def _retries(named: bool, values: Values) -> Mapping[str, Q]:
    pruned = {"payload_pruned": Q(event__pruned_at__isnull=False)}
    return pruned if named else {**pruned, "refused": REFUSED}


RETRIED = {
    "dead": gettext_noop("state: dead → pending (retry)"),
    "cancelled": gettext_noop("state: cancelled → pending (retry)"),
    "discarded": gettext_noop("state: discarded → pending (retry)"),
}


def _verb(name: BulkVerb, *, states: Sequence[RunState], **facts: Any) -> RunVerb:
    return RunVerb(
        name=name.value,
        label=name.label,
        permission=f"neural.{name}_taskrun",
        states=states,
        fits=lambda run: run.state in states,
        apply=lambda run, user: RUN_VERBS[name].change_one(run),
        leads_to=lambda runs, back: preview_address(name, {CHOSEN: [run.pk for run in runs]}),
        **facts,
    )


def preview_address(verb: str, params: Mapping[str, Any]) -> str:
    """The page that previews a verb on the runs which parameters of an address mean; empty if the
    admin site does not have it."""
    page = address_if_there(PREVIEW)
    return f"{page}?{urlencode({**params, 'verb': verb}, doseq=True)}" if page else ""


RETRY = _verb(
    BulkVerb.RETRY,
    explanation=_("Retry: run dead, cancelled or discarded runs again"),
    button=ngettext_lazy("Retry %(count)s run", "Retry %(count)s runs", "number"),
    states=SET_ASIDE_STATES,
    logged="retried",
    change=lambda run: RETRIED.get(run.state, RETRIED["dead"]),
    excluded=_retries,
)
HURRY = _verb(
    BulkVerb.HURRY,
    explanation=_("Retry now: start waiting runs at once"),
    button=ngettext_lazy("Start %(count)s run now", "Start %(count)s runs now", "number"),
    states=(RunState.PENDING,),
    logged="hurried",
    change=gettext_noop("due at: now (retry now)"),
)
CANCEL = _verb(
    BulkVerb.CANCEL,
    explanation=_("Cancel: withdraw waiting runs"),
    button=ngettext_lazy("Cancel %(count)s run", "Cancel %(count)s runs", "number"),
    states=(RunState.PENDING,),
    logged="cancelled",
    change=gettext_noop("state: pending → cancelled (cancel)"),
)
DISCARD = _verb(
    BulkVerb.DISCARD,
    explanation=_("Discard: decide that dead runs stay undone"),
    button=ngettext_lazy("Discard %(count)s run", "Discard %(count)s runs", "number"),
    states=(RunState.DEAD,),
    logged="discarded",
    change=gettext_noop("state: dead → discarded (discard)"),
)
MOVE = _verb(
    BulkVerb.MOVE,
    explanation=_("Move: give runs that wait, or were set aside, to another queue"),
    button=ngettext_lazy("Move %(count)s run", "Move %(count)s runs", "number"),
    states=(RunState.PENDING, *SET_ASIDE_STATES),
    logged="moved",
    change="",
    asks_for_one=True,
    excluded=lambda named, values: {"there_already": Q(queue=values.get(QUEUE, ""))},
)
RUN_VERBS: Mapping[str, RunVerb] = {
    verb.name: verb for verb in (RETRY, HURRY, CANCEL, DISCARD, MOVE)
}
