"""'Edit and retry': a person corrects what a run works on. The original is kept.

A task's run gets other arguments and is due again. An event never changes: a corrected event is
submitted beside it, and the run of the original one is discarded. Either way a :class:`RunEdit`
links both, and all of it commits together or not at all.

The new event has the original's store, source and time, and its id with a number: ``1001`` becomes
``1001~edit-01``, and that ``1001~edit-02``. Where the newest event decides, the time comes first
and then the id: a correction is newer than what it corrects, and older than all that came later.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from neural import audit
from neural.events.answers import EventPruned, EventRefused, InvalidEvent, Problem
from neural.events.new_event import StoreClocks, validate_event
from neural.events.submit import submit
from neural.kit.errors import PermanentError
from neural.kit.stored_json import plain
from neural.ledger import ports
from neural.models import NeuralEvent, RunEdit, TaskRun
from neural.runs.differing import difference

MOST_EDITS = 99
"""Two digits, so that the ids sort as the edits came."""
_ENDS = re.compile(r"~edit-[0-9]{2}\Z")
_LONGEST_ID: int = NeuralEvent._meta.get_field("event_id").max_length  # type: ignore[assignment]


def submit_corrected(*, run: TaskRun, payload: Mapping[str, Any], requested_by: str) -> NeuralEvent:
    """Submit a run's event with another payload, in the caller's transaction; returns the new
    event. Raises :class:`EventRefused` or :class:`EventPruned`."""
    event: Any = run.event
    if event.payload is None:
        raise EventPruned(f"the payload of {event} was pruned; there is nothing to correct")
    NeuralEvent.objects.select_for_update(no_key=True).get(pk=_first_of(event).pk)
    base = _base(event)
    ids = [f"{base}~edit-{number:02}" for number in range(1, MOST_EDITS + 1)]
    same = {"store": event.store_id, "source": event.source}
    known = NeuralEvent.objects.filter(event_id__in=ids, **same)
    last = max(known.values_list("event_id", flat=True), default="")
    place = ids.index(last) + 1 if last else 0
    if place == MOST_EDITS:
        raise _refused(_("was edited %(count)d times, the most there are numbers for"), MOST_EDITS)
    if len(ids[place]) > _LONGEST_ID:
        most = _LONGEST_ID - len(ids[0]) + len(base)
        raise _refused(_("leaves no room for the number of an edit; at most %(count)d do"), most)
    asked = {**_request(run, payload), "event_id": ids[place]}
    answer = submit(**asked, requested_by=requested_by, entry_point="", strict=None)
    return answer.or_raise()


def problems_of(*, run: TaskRun, payload: Any) -> tuple[Problem, ...]:
    """Why this payload would be refused in place of the event's; nothing is written."""
    event: Any = run.event
    try:
        asked = {**_request(run, payload), "event_id": event.event_id}
        validate_event(asked, StoreClocks(), backfill=False, requested_by="", strict=None)
    except InvalidEvent as refused:
        return refused.problems
    return ()


def _request(run: TaskRun, payload: Any) -> dict[str, Any]:
    event: Any = run.event
    return {
        "type": event.type,
        "store": event.store_id,
        "source": event.source,
        "occurred_at": event.occurred_at,
        "payload": payload,
        "priority": run.priority,
        "queue": run.queue if ports.has_queue(run.queue) else None,
    }


def _base(event: NeuralEvent) -> str:
    return _ENDS.sub("", event.event_id)


def _first_of(event: NeuralEvent) -> NeuralEvent:
    """The event that was edited first: whoever edits one of its runs locks it."""
    same = {"event_id": _base(event), "store": event.store_id, "source": event.source}
    return NeuralEvent.objects.filter(**same).defer("payload").first() or event


def _refused(reason: str, count: int) -> EventRefused:
    return EventRefused([Problem("event_id", reason % {"count": count})])


MOST_FIELDS_NAMED = 20
"""How many of the changed places an audit entry names."""


class RunNotEditable(PermanentError):
    """The run is in a state in which it cannot be edited, or was changed since it was looked at."""


class NothingChanged(PermanentError):
    """The edited content is the original one: a plain retry is meant."""


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What became of an edit. ``is_repeated`` if the same form had been sent before."""

    edit: RunEdit
    is_repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class Editor:
    """Who edits, why, and by which form: ``token`` is the form's, ``seen`` what
    :func:`fingerprint` said of the run when it was made."""

    user: Any
    reason: str
    token: str
    seen: str


def content_of(run: TaskRun) -> dict[str, Any]:
    """What a person edits of a run: an event's payload, or a task's arguments."""
    if run.event is not None:
        return {"payload": run.event.payload}
    return {"args": run.args, "kwargs": run.kwargs}


def fingerprint(run: TaskRun) -> str:
    """A text that changes when the run is changed or edited: two people who edit a run at the same
    time have seen the same, and the second one finds another."""
    edits = RunEdit.objects.filter(run_id=run.pk).count()
    tried = (run.state, run.failures, run.losses, str(run.finished_at))
    content = (run.args, run.kwargs) if run.event_id is None else run.event_id
    text = json.dumps([*tried, edits, content], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def edit(*, run: TaskRun, content: Mapping[str, Any], editor: Editor) -> Edited:
    """Retry a run with corrected content (as :func:`content_of` returns it).

    Raises :class:`RunNotEditable`, :class:`NothingChanged`,
    :class:`~neural.kit.stored_json.NotStorable` for arguments that cannot be kept, and
    :class:`~neural.events.answers.EventRefused` for a payload that its type's schema refuses.
    Nothing is written then. The same form again changes nothing.
    """
    with transaction.atomic():
        # Its event is locked too: another run of it may be edited at the same time.
        own = TaskRun.objects.select_for_update(of=("self",), no_key=True)
        locked = own.select_related("event").get(pk=run.pk)
        before = RunEdit.objects.filter(token=editor.token).first()
        if before is not None:
            if before.run_id != run.pk:
                raise RunNotEditable("this form was another run's")
            return Edited(edit=before, is_repeated=True)
        if not locked.may_be_edited:
            raise RunNotEditable(f"a run that is {locked.state} is not edited")
        if fingerprint(locked) != editor.seen:
            raise RunNotEditable("somebody has changed the run since this form was opened")
        if not difference(content_of(locked), dict(content)):
            raise NothingChanged("nothing was changed: retry the run as it is")
        made = _with_event if locked.event is not None else _with_arguments
        done = made(locked, content, editor)
        changes = difference(done.before, done.after)
        new = {"new_event": done.new_event_id, "new_run": done.new_run_id}
        audit.record_user(
            editor.user,
            action="run.edit",
            rows=[locked],
            reason=editor.reason,
            details={
                "changed": len(changes),
                "fields": fields_of([each.path for each in changes]),
                **{name: key for name, key in new.items() if key is not None},
            },
        )
        return Edited(edit=done)


def _with_arguments(run: TaskRun, content: Mapping[str, Any], editor: Editor) -> RunEdit:
    before = content_of(run)
    args = plain(list(content["args"]), what="the arguments")
    kwargs = plain(dict(content["kwargs"]), what="the keyword arguments")
    if not run.retry_with(args=args, kwargs=kwargs):
        raise RunNotEditable("the run has started meanwhile")
    return _record_edit(run, editor, before=before, after={"args": args, "kwargs": kwargs})


def _with_event(run: TaskRun, content: Mapping[str, Any], editor: Editor) -> RunEdit:
    by = editor.user.get_username()
    event = submit_corrected(run=run, payload=content["payload"], requested_by=by)
    if not run.supersede():
        raise RunNotEditable("the run has started meanwhile")
    mine = event.runs.filter(handler=run.handler).values_list("pk", flat=True)
    return _record_edit(
        run,
        editor,
        before=content_of(run),
        after={"payload": event.payload},
        new_event_id=event.pk,
        new_run_id=next(iter(mine), None),
    )


def _record_edit(run: TaskRun, editor: Editor, **values: Any) -> RunEdit:
    return RunEdit.objects.create(
        run_id=run.pk,
        reason=editor.reason,
        edited_by=editor.user.get_username(),
        user=editor.user,
        token=editor.token,
        **values,
    )


def fields_of(paths: Sequence[Sequence[str | int]]) -> list[str]:
    """The fields of these places without their values. A key that is no field's name may be
    somebody's name or phone: it is left out, with what is below it."""
    found: dict[str, None] = {}
    for path in paths:
        steps: list[str] = []
        for step in path:
            if isinstance(step, str) and not (step.isascii() and step.isidentifier()):
                break
            steps.append(str(step))
        found.setdefault(".".join(steps), None)
    return list(found)[:MOST_FIELDS_NAMED]
