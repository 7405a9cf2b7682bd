"""What a run works on and what it returned, as JSON, as far as a user may see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.display import json_block
from neural.admin.written import is_readable, value_of
from neural.models import TaskRun
from neural.personal.redacting import for_user, sees_personal_data
from neural.runs.lineage import edits_of


@dataclass(frozen=True)
class Block:
    """A JSON value under a heading; ``name`` is the id of its section."""

    name: str
    title: Any
    shown: SafeString | str


def blocks_of(run: TaskRun, user: Any) -> Sequence[Block]:
    """The event's payload, the arguments and the result; without those that are empty."""
    values: list[tuple[str, Any, Model, str]] = [
        ("args", gettext_lazy("Arguments"), run, "args"),
        ("kwargs", gettext_lazy("Keyword arguments"), run, "kwargs"),
        ("result", gettext_lazy("Result"), run, "result"),
    ]
    if run.event is not None and user.has_perm("neural.view_neuralevent"):
        payload = ("payload", gettext_lazy("The event's payload"), run.event, "payload")
        values.insert(0, payload)
    return [
        Block(name, title, shown_json(value, user))
        for name, title, row, field in values
        if (value := value_of(row, field)) not in (None, [], {})
    ]


def documents_of(run: TaskRun) -> Sequence[Any]:
    """What a run works on, and what it worked on before it was edited, whether or not a user may
    see it: the documents that say which names its errors may quote. What cannot be decoded is left
    out."""
    found = [value_of(run, "args"), value_of(run, "kwargs")]
    if run.event is not None:
        found.append(value_of(run.event, "payload"))
    for edit in edits_of(run):
        found += [edit.before, edit.after]
    return list(filter(is_readable, found))


def shown_json(value: Any, user: Any) -> SafeString | str:
    """A value of :func:`value_of` as a block. What cannot be decoded cannot be masked either."""
    if is_readable(value):
        return json_block(for_user(value, user))
    if sees_personal_data(user):
        return json_block(value)
    return _("Nested too deep to look for personal data in it, so it is not shown.")


def values_of(row: Model, *fields: str) -> list[Any] | None:
    """The decoded values of these fields; None if one of them is nested too deep."""
    values = [value_of(row, field) for field in fields]
    return values if all(map(is_readable, values)) else None
