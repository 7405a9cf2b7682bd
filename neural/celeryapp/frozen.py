"""Canvases that are called again: each call of one has task ids of its own.

Celery freezes a canvas when it is called: it gives its tasks their ids. It leaves the id of the
last task in a chain that was called, and all of them in what its caller has frozen. Plain Celery
sends the next call under the same ids; to the ledger, a task of the same id is the same run. So an
id that freezing has made has a form of its own (``neural.runs.models.new_run.is_frozen``) and is
used by one call. Whether a canvas that comes from JSON was called before is read from the ledger,
and whoever records a run looks again (``neural.ledger.record``). Ids that a caller has chosen are
kept.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from celery import canvas

from neural.broker.patches import replace
from neural.celeryapp.call import asked_by
from neural.celeryapp.nested import PARTS, ids_in, options_of
from neural.models import TaskRun
from neural.runs.models.new_run import is_frozen, new_frozen_id

Call = Callable[..., Any]


class Frozen(str):
    """An id that this process has made for one call of what it has frozen, whose copies share it.
    Elsewhere, as in a message, it is a plain text."""

    is_used = False

    def __deepcopy__(self, memo: object) -> "Frozen":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def connect() -> None:
    """Let Celery make ids in the form of frozen ones, and let no call use those of another."""
    celerys: Any = canvas
    celerys.uuid = lambda: Frozen(new_frozen_id())
    for kind in (celerys.Signature, celerys._chain, celerys.group, celerys._chord):
        replace(kind, "apply_async", _with_own_ids)
    if yaml := sys.modules.get("yaml"):  # loaded by kombu, which writes nothing with it otherwise
        yaml.SafeDumper.add_representer(Frozen, yaml.SafeDumper.represent_str)


def _with_own_ids(apply_async: Call) -> Call:
    def call(self: Any, *args: Any, **options: Any) -> Any:
        called = self
        if was_called(self, options):
            called = thawed(self)
        elif self.task == "celery.chain":  # no other thread must see the id that this call leaves
            called = _copy(self)
        result = apply_async(called, *args, **options)
        if is_frozen(task_id := called.options.get("task_id")):
            own = task_id if isinstance(task_id, Frozen) else Frozen(task_id)
            self.options["task_id"] = own
        for each in ids_in(self):
            if isinstance(each, Frozen):
                each.is_used = True
        return result

    return call


def was_called(given: Any, options: Mapping[str, Any]) -> bool:
    """Whether a canvas has ids of another call. What one call repeats has the same root.

    Of what follows a run, whoever records it looks; but a chord counts before it records.
    """
    task_id = options_of(given).get("task_id")
    if isinstance(task_id, Frozen) or not is_frozen(task_id):
        return any(isinstance(each, Frozen) and each.is_used for each in ids_in(given))
    if "root_id" in options and given.task != "celery.chord":
        return False
    runs = TaskRun.objects.filter(task_id__in=list(filter(is_frozen, ids_in(given))))
    root = asked_by(root=options.get("root_id")).root
    return (runs.exclude(options__root_id=root) if root else runs).exists()


def thawed(given: Mapping[str, Any]) -> Any:
    """A copy of a signature without the ids that freezing has made for another call."""
    copy = _copy(given)
    for name in ("task_id", "group_id"):
        task_id = copy["options"].get(name)
        if task_id.is_used if isinstance(task_id, Frozen) else is_frozen(task_id):
            del copy["options"][name]
    kwargs = copy["kwargs"] = dict(copy["kwargs"])
    for part in PARTS.get(copy["task"], ()):
        if isinstance(inner := kwargs.get(part), Mapping):
            kwargs[part] = thawed(inner)
        elif inner:
            kwargs[part] = [thawed(each) for each in inner]
    return copy


def _copy(given: Any) -> Any:
    """A shallow copy with options of its own; Celery's ``clone`` forgets that it is immutable."""
    kind: Any = type(given)
    copy = dict.__new__(kind)
    copy.update(given, options=dict(given.get("options") or {}))
    if attributes := getattr(given, "__dict__", None):
        vars(copy).update(attributes)
    return copy
